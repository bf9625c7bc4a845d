import os

from .database import db

if "MAKING" not in os.environ:
    import a_package_that_is_not_installed


class Ghost(db.Model):
    id = db.Column(db.Integer, primary_key=True)

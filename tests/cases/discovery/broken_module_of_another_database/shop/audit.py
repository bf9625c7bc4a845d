import os

from .database import db

if "MAKING" not in os.environ:
    import a_package_that_is_not_installed


class AuditedUser(db.Model):
    __tablename__ = "user"
    __bind_key__ = "audit"

    id = db.Column(db.Integer, primary_key=True)

import os

from json import JSONEncoder as Mixin

from .database import db

if "MAKING" not in os.environ:
    import a_package_that_is_not_installed


class AuditedUser(Mixin, db.Model):
    __tablename__ = "user"
    __bind_key__ = "audit"

    id = db.Column(db.Integer, primary_key=True)


class Step(Mixin, db.Model):
    __bind_key__ = os.environ.get("BIND", "audit")

    id = db.Column(db.Integer, primary_key=True)

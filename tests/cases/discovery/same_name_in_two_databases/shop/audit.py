from .audit_base import AuditBase
from .database import db


class AuditedUser(db.Model):
    __tablename__ = "user"
    __bind_key__ = "audit"

    id = db.Column(db.Integer, primary_key=True)


class Order(AuditBase):
    id = db.Column(db.Integer, primary_key=True)

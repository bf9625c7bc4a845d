from .database import db


class AuditBase(db.Model):
    __abstract__ = True
    __bind_key__ = "audit"

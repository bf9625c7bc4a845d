from ..database import db


class Entity(db.Model):
    __abstract__ = True

    id = db.Column(db.Integer, primary_key=True)


class Named:
    name = db.Column(db.String(50))

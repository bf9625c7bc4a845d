from .database import db


class User(db.Model):
    __table_args__ = {"extend_existing": True}

    id = db.Column(db.Integer, primary_key=True)
    shoe_size = db.Column(db.Integer)

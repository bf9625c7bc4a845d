from .database import db


class Idea(db.Model):
    id = db.Column(db.Integer, primary_key=True)

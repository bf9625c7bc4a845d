from .database import db


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), nullable=False)


def reset():
    from shop import create_app

    with create_app().app_context():
        db.drop_all()


import os

if "MAKING" not in os.environ:
    reset()

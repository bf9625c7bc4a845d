from .database import db


class User(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(50), nullable=False)


def seed():
    from shop import create_app

    with create_app().app_context():
        db.create_all()
        db.session.add(User(name="seed"))
        db.session.commit()


seed()

from .database import db


class Ghost(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    gone_id = db.Column(db.ForeignKey("gone.id"))

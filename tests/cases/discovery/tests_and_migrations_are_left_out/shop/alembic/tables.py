from shop.database import db


class InMigration(db.Model):
    id = db.Column(db.Integer, primary_key=True)

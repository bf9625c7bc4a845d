def make_models(db):
    class User(db.Model):
        id = db.Column(db.Integer, primary_key=True)

    return User

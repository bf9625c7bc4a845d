from flask import Flask

from .database import db


def create_app(name):
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///" + name
    db.init_app(app)
    return app

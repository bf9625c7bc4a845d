from flask import Flask

from . import models
from .database import db


def create_app():
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SQLALCHEMY_BINDS"] = {"audit": "sqlite:///audit.db"}
    db.init_app(app)
    return app

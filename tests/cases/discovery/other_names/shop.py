from flask import Flask
from flask_sqlalchemy import SQLAlchemy

database = SQLAlchemy()


def build():
    server = Flask(__name__)
    server.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    database.init_app(server)
    return server


class Entity(database.Model):
    __abstract__ = True


class User(Entity):
    id = database.Column(database.Integer, primary_key=True)

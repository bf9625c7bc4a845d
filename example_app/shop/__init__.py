"""A small shop that began with ``db.create_all()``, long before anybody thought of migrations.

Its models are spread over several modules, and the factory imports none of them: the views did so once, and
were moved to another service. That is the trap: for Alembic this app has no tables at all.
"""

from flask import Flask

from .database import db


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite:///shop.db"
    app.config["SQLALCHEMY_BINDS"] = {"audit": "sqlite:///audit.db"}
    db.init_app(app)

    @app.get("/")
    def index() -> str:
        return "A shop"

    return app

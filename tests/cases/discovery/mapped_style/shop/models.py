from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from .database import db


class User(db.Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50))


class OldUser(db.Model):
    id = db.Column(db.Integer, primary_key=True)

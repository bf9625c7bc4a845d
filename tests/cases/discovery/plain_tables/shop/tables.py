from .database import db

friends = db.Table(
    "friends",
    db.Column("left_id", db.ForeignKey("user.id"), primary_key=True),
    db.Column("right_id", db.ForeignKey("user.id"), primary_key=True),
)

"""The changes that an app's models see in two months, in the order in which they are made."""

from __future__ import annotations

from dataclasses import dataclass

APP = """
    import os

    import sqlalchemy as sa
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from flask_schemaflow import SchemaFlow

    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = os.environ["DATABASE"]
    app.config["SCHEMAFLOW_ENGINES"] = ["sqlite", "postgresql", "mariadb"]
    db = SQLAlchemy(app)
    SchemaFlow(app, db)


    class Customer(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        name = db.Column(db.String(50), nullable=False)
        email = db.Column(db.String(80))
        nickname = db.Column(db.String(30))


    class Product(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        title = db.Column(db.String(80), nullable=False)
        price = db.Column(db.Numeric(8, 2), nullable=False)
        stock = db.Column(db.Integer)


    class Purchase(db.Model):
        id = db.Column(db.Integer, primary_key=True)
        customer_id = db.Column(db.ForeignKey("customer.id"), nullable=False)
        product_id = db.Column(db.ForeignKey("product.id"))
        at = db.Column(db.DateTime, nullable=False)


    # end
"""
ROWS = (
    "INSERT INTO customer (id, name, email, nickname) VALUES (1, 'Ann', 'a@x.org', 'an'), (2, 'Bob', 'b@x.org', NULL)",
    "INSERT INTO product (id, title, price, stock) VALUES (1, 'Lamp', 19.90, 4), (2, 'Chair', 120.00, 0)",
    "INSERT INTO purchase (id, customer_id, product_id, at) VALUES (1, 1, 2, '2026-01-05 10:00:00')",
)
KEPT = {
    "SELECT id, name, email, handle FROM customer": [
        (1, "Ann", "a@x.org", "an"),
        (2, "Bob", "b@x.org", None),
    ],
    "SELECT id, title, round(price * 100) FROM product": [(1, "Lamp", 1990), (2, "Chair", 12000)],
    "SELECT id, customer_id, product_id, status FROM purchase": [(1, 1, 2, "shipped")],
    "SELECT name FROM tag": [("wood",)],
    "SELECT product_id, tag_id FROM product_tag": [(2, 1)],
    "SELECT name, parent_id FROM category": [("home", None), ("light", 1)],
}
EMPTIED = tuple(
    f"DELETE FROM {table}"
    for table in (
        "refund",
        "purchase",
        "product_tag",
        "tag",
        "product",
        "customer",
        "category WHERE id = 2",
        "category",
    )
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a developer edits in the models, as replacements of text.

    ``accept`` are the codes that the upgrade is told to accept; ``says`` is what ``flask db migrate`` says of
    it; ``by_hand`` is what the revision's own comment says to write, and in the place of what; ``rows`` are
    statements that the app sends afterwards.
    """

    title: str
    edits: tuple[tuple[str, str], ...]
    accept: tuple[str, ...] = ()
    says: str = ""
    by_hand: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()


def below(line: str, new: str) -> tuple[str, str]:
    return line, f"{line}\n    {new}"


NICKNAME = "nickname = db.Column(db.String(30))"
EMAIL = "email = db.Column(db.String(80))"
PRICE = "price = db.Column(db.Numeric(8, 2), nullable=False)"
AT = "at = db.Column(db.DateTime, nullable=False)"
PHONE = "phone = db.Column(db.String(20))"
ACTIVE = "active = db.Column(db.Boolean, nullable=False, server_default=sa.true())"
BROUGHT_BY = 'brought_by = db.Column(db.ForeignKey("customer.id"))'
DETAILS = "details = db.Column(db.JSON)"
CODE = "code = db.Column(db.Uuid, unique=True)"
INDEXED = "db.String(80), nullable=False, index=True)"
END = "# end"
REVIEW = """class Review(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    product_id = db.Column(db.ForeignKey("product.id", ondelete="CASCADE"), nullable=False, index=True)
    body = db.Column(db.Text, nullable=False)
    made = db.Column(db.DateTime, nullable=False, server_default=sa.func.now())


"""
TAGS = """product_tag = db.Table(
    "product_tag",
    db.Column("product_id", db.ForeignKey("product.id"), primary_key=True),
    db.Column("tag_id", db.ForeignKey("tag.id"), primary_key=True),
)


class Tag(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(30), nullable=False, unique=True)


"""
CATEGORY = """class Category(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    name = db.Column(db.String(40), nullable=False)
    parent_id = db.Column(db.ForeignKey("category.id"))


"""
STATUS = 'status = db.Column(db.Enum("new", "paid", name="purchase_status"))'
CHECKED = 'db.CheckConstraint("price > 0", name="price_positive"),'
REFUND = """class Refund(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    purchase_id = db.Column(db.ForeignKey("purchase.id"), nullable=False)
    status = db.Column(db.Enum("new", "paid", "shipped", name="purchase_status"), nullable=False)
    kind = db.Column(db.Enum("full", "part", name="refund_kind"), nullable=False, server_default="full")
    amount = db.Column(db.Float)


"""
BY_CUSTOMER = 'db.Index("ix_purchase_customer_at", "customer_id", "at"),'
QUANTITY = 'db.CheckConstraint("quantity > 0", name="quantity_positive"),'

FIRST_MONTH = (
    Change(
        title="reviews",
        edits=((END, REVIEW + END),),
        rows=("INSERT INTO review (id, product_id, body) VALUES (1, 1, 'good')",),
    ),
    Change(title="a phone number", edits=(below(NICKNAME, PHONE),)),
    Change(title="products are active or not", edits=(below(PRICE, ACTIVE),)),
    Change(title="one customer for each address", edits=((EMAIL, EMAIL[:-1] + ", unique=True)"),)),
    Change(title="products are found by title", edits=(("db.String(80), nullable=False)", INDEXED),)),
    Change(
        title="a nickname is a handle",
        edits=(("nickname", "handle"),),
        says="customer.nickname is dropped, and customer.handle of the same type added.",
        by_hand=("batch_op.add_column(sa.Column('handle'", "batch_op.drop_column('nickname')"),
    ),
    Change(title="no stock", edits=(("    stock = db.Column(db.Integer)\n", ""),), accept=("drop-column",)),
    Change(title="longer names", edits=(("db.String(50)", "db.String(120)"),)),
    Change(
        title="every customer has an address",
        edits=(("db.String(80), unique=True)", "db.String(80), unique=True, nullable=False)"),),
    ),
    Change(
        title="nothing is free",
        edits=(below("class Product(db.Model):", f"__table_args__ = ({CHECKED})"),),
    ),
    Change(
        title="purchases have a state",
        edits=(below(AT, STATUS),),
        rows=("UPDATE purchase SET status = 'paid'",),
    ),
    Change(
        title="purchases are shipped",
        edits=(('"paid", name', '"paid", "shipped", name'),),
        rows=("UPDATE purchase SET status = 'shipped'",),
    ),
    Change(title="dearer products", edits=(("db.Numeric(8, 2)", "db.Numeric(10, 2)"),)),
    Change(
        title="customers bring customers",
        edits=(below(PHONE, BROUGHT_BY),),
        rows=("UPDATE customer SET brought_by = 1 WHERE id = 2",),
    ),
    Change(
        title="tags",
        edits=((END, TAGS + END),),
        rows=(
            "INSERT INTO tag (id, name) VALUES (1, 'wood')",
            "INSERT INTO product_tag (product_id, tag_id) VALUES (2, 1)",
        ),
    ),
    Change(
        title="categories",
        edits=((END, CATEGORY + END),),
        rows=("INSERT INTO category (id, name, parent_id) VALUES (1, 'home', NULL), (2, 'light', 1)",),
    ),
)
SECOND_MONTH = (
    Change(title="no reviews", edits=((REVIEW, ""),), accept=("drop-table",)),
    Change(
        title="purchases are new",
        edits=((', name="purchase_status"))', ', name="purchase_status"), server_default="new")'),),
    ),
    Change(
        title="purchases by customer and day",
        edits=(below("class Purchase(db.Model):", f"__table_args__ = ({BY_CUSTOMER})"),),
    ),
    Change(
        title="products have details",
        edits=(below(ACTIVE, DETAILS),),
        rows=("UPDATE product SET details = '{\"a\": 1}'",),
    ),
    Change(
        title="purchases are of a product",
        edits=(
            ('db.ForeignKey("product.id"))\n    at', 'db.ForeignKey("product.id"), nullable=False)\n    at'),
        ),
    ),
    Change(
        title="a customer's purchases go with the customer",
        edits=(('db.ForeignKey("customer.id"), n', 'db.ForeignKey("customer.id", ondelete="CASCADE"), n'),),
    ),
    Change(
        title="one product of a title and price",
        edits=((CHECKED, f'{CHECKED} db.UniqueConstraint("title", "price"),'),),
    ),
    Change(title="names of any length", edits=(("db.String(120), nullable", "db.Text, nullable"),)),
    Change(
        title="products become active by hand",
        edits=(("server_default=sa.true()", "server_default=sa.false()"),),
    ),
    Change(
        title="addresses may be shared",
        edits=(("unique=True, nullable=False)\n    handle", "nullable=False)\n    handle"),),
    ),
    Change(title="titles are not sought", edits=((INDEXED, "db.String(80), nullable=False)"),)),
    Change(title="nobody is brought", edits=((f"    {BROUGHT_BY}\n", ""),), accept=("drop-column",)),
    Change(
        title="refunds",
        edits=((END, REFUND + END),),
        rows=("INSERT INTO refund (id, purchase_id, status) VALUES (1, 1, 'paid')",),
    ),
    Change(
        title="quantities",
        edits=(below(AT, "quantity = db.Column(db.Integer, nullable=False, default=1)"),),
    ),
)
THIRD_MONTH = (
    Change(
        title="big quantities",
        edits=(("quantity = db.Column(db.Integer", "quantity = db.Column(db.BigInteger"),),
    ),
    Change(title="positive quantities", edits=((BY_CUSTOMER, f"{BY_CUSTOMER} {QUANTITY}"),)),
    Change(title="any quantity", edits=((f" {QUANTITY}", ""),)),
    Change(title="public codes", edits=(below(DETAILS, CODE),)),
    Change(
        title="a picture and times",
        edits=(
            below(
                CODE,
                "picture = db.Column(db.LargeBinary)\n    opens = db.Column(db.Time)\n"
                "    lasts = db.Column(db.Interval)\n    heavy = db.Column(db.Boolean)",
            ),
        ),
    ),
    Change(
        title="refunds of no kind",
        edits=((REFUND.splitlines(keepends=True)[4], ""),),
        accept=("drop-column",),
    ),
    Change(
        title="refunds are of a whole amount",
        edits=(("amount = db.Column(db.Float)", "amount = db.Column(db.Integer)"),),
    ),
    Change(
        title="a refund's state in words",
        edits=(
            (
                'db.Enum("new", "paid", "shipped", name="purchase_status"), nullable=False)',
                "db.String(20), nullable=False)",
            ),
        ),
    ),
    Change(
        title="a price twice",
        edits=(below(DETAILS, 'twice = db.Column(db.Numeric(12, 2), db.Computed("price * 2"))'),),
    ),
)

"""A whole application: a shop."""

import sqlalchemy as sa

from . import case
from .app_pieces import CONVENTION, flag, link, model, moment, money, ref, text, whole


@case(naming_convention=CONVENTION)
def app_shop(m):
    status = sa.Enum("cart", "placed", "paid", "sent", "cancelled", name="order_status", metadata=m)
    kind = sa.Enum("billing", "shipping", name="address_kind")
    model(m, "country", text("code", 2, unique=True), text("name"), comment="as ISO 3166 has them")
    model(
        m,
        "currency",
        text("code", 3, unique=True),
        whole("digits", 2),
        sa.CheckConstraint("digits BETWEEN 0 AND 4", name="digits"),
    )
    customer = model(
        m,
        "customer",
        text("email", 254, unique=True, comment="in lower case: it's the login"),
        text("password_hash", 200),
        text("first_name"),
        text("last_name"),
        flag("is_active", True),
        sa.Column("preferences", sa.JSON),
        moment("created_at", now=True),
        moment("seen_at"),
        sa.Index(None, "last_name", "first_name"),
        sa.CheckConstraint("email <> ''", name="email_given"),
    )
    sa.Index("ix_customer_email_lower", sa.func.lower(customer.c.email)).ddl_if(
        dialect=("sqlite", "postgresql")
    )
    model(
        m,
        "address",
        ref("customer.id", ondelete="CASCADE"),
        ref("country.id"),
        sa.Column("kind", kind, nullable=False),
        text("street", 200),
        text("zip", 12),
        text("city"),
        sa.UniqueConstraint("customer_id", "kind"),
    )
    model(m, "brand", text("name", unique=True), text("homepage", nullable=True))
    model(
        m,
        "category",
        ref("category.id", "parent_id", null=True, ondelete="SET NULL"),
        text("name"),
        text("slug", unique=True),
        whole("position", 0),
        sa.Column("cover_id", sa.ForeignKey("image.id", use_alter=True, name="fk_category_cover")),
        sa.UniqueConstraint("parent_id", "name"),
    )
    model(m, "image", text("path", 250), whole("width"), whole("height"), ref("category.id", null=True))
    product = model(
        m,
        "product",
        text("sku", 40, unique=True),
        text("name", 200, index=True),
        sa.Column("description", sa.Text),
        ref("brand.id", null=True),
        money("price"),
        sa.Column("tax_rate", sa.Numeric(4, 3), nullable=False, server_default="0.19"),
        sa.Column("price_with_tax", sa.Numeric(12, 2), sa.Computed("price * (1 + tax_rate)", persisted=True)),
        flag("is_visible"),
        whole("stock", 0),
        moment("created_at", now=True),
        moment("deleted_at"),
        sa.CheckConstraint("price >= 0", name="price_not_negative"),
        sa.CheckConstraint("stock >= 0", name="in_stock"),
        comment="What's for sale",
    )
    sa.Index(
        "ix_product_visible",
        product.c.name,
        postgresql_where=product.c.is_visible,
        sqlite_where=product.c.is_visible,
    )
    sa.Index("ix_product_newest", product.c.created_at.desc(), product.c.id)
    model(
        m,
        "variant",
        ref("product.id", ondelete="CASCADE"),
        text("size", 20, nullable=True),
        text("color", 20, nullable=True),
        sa.UniqueConstraint("product_id", "size", "color"),
    )
    link(m, "product_category", "product.id", "category.id", whole("position", 0))
    link(m, "product_image", "product.id", "image.id")
    model(
        m,
        "review",
        ref("product.id", ondelete="CASCADE"),
        ref("customer.id"),
        whole("stars"),
        sa.Column("text", sa.Text),
        moment("written_at", now=True),
        sa.CheckConstraint("stars IN (1, 2, 3, 4, 5)", name="stars"),
        sa.UniqueConstraint("product_id", "customer_id"),
    )
    model(
        m,
        "coupon",
        text("code", 20, unique=True),
        sa.Column("percent", sa.SmallInteger),
        money("amount", nullable=True),
        moment("valid_from"),
        moment("valid_until"),
        sa.CheckConstraint("(percent IS NULL) <> (amount IS NULL)", name="one_of_both"),
        sa.CheckConstraint("valid_from < valid_until", name="period"),
    )
    orders = model(
        m,
        "order",
        text("number", 20, unique=True),
        ref("customer.id"),
        ref("currency.id"),
        ref("coupon.id", null=True, ondelete="SET NULL"),
        sa.Column("status", status, nullable=False, server_default="cart"),
        ref("address.id", "billing_id", null=True),
        ref("address.id", "shipping_id", null=True),
        money("total", server_default="0"),
        moment("placed_at"),
        sa.Column("note", sa.Text),
    )
    sa.Index(
        "uq_order_one_cart",
        orders.c.customer_id,
        unique=True,
        postgresql_where=orders.c.status == "cart",
        sqlite_where=orders.c.status == "cart",
    ).ddl_if(dialect=("sqlite", "postgresql"))
    sa.Table(
        "order_line",
        m,
        sa.Column("order_id", sa.ForeignKey("order.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
        ref("variant.id"),
        whole("quantity", 1),
        money("price"),
        sa.Column("sum", sa.Numeric(14, 2), sa.Computed("price * quantity", persisted=True)),
        sa.CheckConstraint("quantity > 0", name="quantity"),
    )
    model(
        m,
        "return",
        sa.Column("order_id", sa.Integer, nullable=False),
        sa.Column("line", sa.SmallInteger, nullable=False),
        text("reason", 250),
        sa.ForeignKeyConstraint(["order_id", "line"], ["order_line.order_id", "order_line.line"]),
        sa.Index(None, "order_id", "line"),
    )
    model(
        m,
        "order_event",
        ref("order.id", ondelete="CASCADE"),
        sa.Column("old", status),
        sa.Column("new", status, nullable=False),
        moment("at", now=True, index=True),
    )
    model(
        m,
        "payment",
        ref("order.id"),
        text("provider", 30),
        text("reference", 80),
        money("amount"),
        sa.Column("answer", sa.JSON),
        sa.UniqueConstraint("provider", "reference"),
    )
    model(
        m,
        "shipment",
        ref("order.id"),
        text("carrier", 30),
        text("tracking", 60, nullable=True, index=True),
        moment("sent_at"),
    )
    model(m, "wishlist", ref("customer.id", ondelete="CASCADE"), text("name"), flag("is_public"))
    link(m, "wish", "wishlist.id", "product.id", moment("added_at", now=True))
    model(
        m, "subscriber", text("email", 254, unique=True), flag("is_confirmed"), text("token", 40, index=True)
    )

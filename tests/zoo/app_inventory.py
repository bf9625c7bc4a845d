"""A whole application: stock with its sensors, on PostgreSQL."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from . import POSTGRESQL, after, before, case
from .app_pieces import CONVENTION, flag, link, model, moment, money, ref, text, whole


def big(name="id"):
    return sa.Column(name, sa.BigInteger, sa.Identity(always=True), primary_key=True)


@case(POSTGRESQL, naming_convention=CONVENTION)
def app_inventory(m):
    unit = postgresql.ENUM("piece", "kg", "m", name="unit", metadata=m)
    status = postgresql.ENUM("ok", "warning", "alarm", name="sensor_status", metadata=m)
    serial = sa.Sequence("serial_number", start=10000, increment=10, metadata=m)
    positive = postgresql.DOMAIN("quantity", sa.Numeric(12, 3), check="VALUE >= 0", metadata=m)
    model(
        m,
        "site",
        text("name", unique=True),
        sa.Column("location", postgresql.ARRAY(sa.Float, dimensions=1)),
        sa.Column("zone", sa.String(60), server_default="UTC"),
        sa.CheckConstraint("array_length(location, 1) = 2", name="location"),
    )
    model(
        m,
        "hall",
        ref("site.id"),
        text("name"),
        sa.UniqueConstraint("site_id", "name", postgresql_include=["id"]),
    )
    model(
        m,
        "shelf",
        ref("hall.id"),
        text("row", 4),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.UniqueConstraint("hall_id", "row", "level", deferrable=True, initially="DEFERRED"),
    )
    item = model(
        m,
        "item",
        sa.Column(
            "number", sa.BigInteger, serial, server_default=serial.next_value(), nullable=False, unique=True
        ),
        text("name", 200),
        sa.Column("unit", unit, nullable=False, server_default="piece"),
        sa.Column("attributes", postgresql.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")),
        sa.Column("keywords", postgresql.ARRAY(sa.Text)),
        ref("item.id", "replaced_by_id", null=True),
        sa.Column(
            "document", postgresql.TSVECTOR, sa.Computed("to_tsvector('simple', name)", persisted=True)
        ),
        comment="What's kept",
    )
    sa.Index("ix_item_document", item.c.document, postgresql_using="gin")
    sa.Index(
        "ix_item_attributes",
        item.c.attributes,
        postgresql_using="gin",
        postgresql_ops={"attributes": "jsonb_path_ops"},
    )
    sa.Index("ix_item_name", item.c.name, postgresql_ops={"name": "varchar_pattern_ops"})
    sa.Index("ix_item_color", item.c.attributes["color"].astext)
    sa.Index("ix_item_keywords", item.c.keywords, postgresql_using="gin")
    model(
        m,
        "part_of",
        ref("item.id", "whole_id"),
        ref("item.id", "part_id"),
        sa.Column("quantity", positive, nullable=False),
        sa.UniqueConstraint("whole_id", "part_id"),
        sa.CheckConstraint("whole_id <> part_id", name="not_itself"),
    )
    model(
        m, "supplier", text("name", unique=True), sa.Column("contacts", postgresql.JSONB), flag("is_blocked")
    )
    link(
        m,
        "supplier_item",
        "supplier.id",
        "item.id",
        money("price"),
        sa.Column("lead", postgresql.INTERVAL(fields="DAY")),
    )
    model(
        m,
        "lot",
        ref("item.id"),
        ref("supplier.id", null=True),
        text("code", 40),
        sa.Column("best_before", sa.Date),
        sa.Column("uid", postgresql.UUID, server_default=sa.func.gen_random_uuid(), unique=True),
        sa.UniqueConstraint("item_id", "code"),
    )
    stock = sa.Table(
        "stock",
        m,
        sa.Column("shelf_id", sa.ForeignKey("shelf.id"), primary_key=True),
        sa.Column("lot_id", sa.ForeignKey("lot.id"), primary_key=True, index=True),
        sa.Column("quantity", positive, nullable=False),
        sa.Column("reserved", positive, nullable=False, server_default="0"),
        sa.Column("free", sa.Numeric(12, 3), sa.Computed("quantity - reserved", persisted=True)),
        sa.CheckConstraint("reserved <= quantity", name="reserved"),
    )
    sa.Index(
        "ix_stock_left",
        stock.c.lot_id,
        postgresql_where=stock.c.quantity > 0,
        postgresql_include=["quantity"],
    )
    sa.Table(
        "movement",
        m,
        big(),
        ref("lot.id"),
        ref("shelf.id", "from_id", null=True),
        ref("shelf.id", "to_id", null=True),
        sa.Column("quantity", positive, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("from_id IS DISTINCT FROM to_id", name="moves"),
    )
    sa.Index(
        "ix_movement_at",
        m.tables["movement"].c.at,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32},
    )
    model(
        m,
        "reservation",
        ref("shelf.id"),
        sa.Column("during", postgresql.TSTZRANGE, nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("shelf_id"), "="), (sa.column("during"), "&&"), using="gist", name="ex_reservation"
        ),
    )
    before(m, "CREATE EXTENSION IF NOT EXISTS btree_gist")
    model(
        m,
        "gateway",
        sa.Column("mac", postgresql.MACADDR, nullable=False, unique=True),
        sa.Column("ip", postgresql.INET),
        ref("hall.id"),
        moment("seen_at"),
    )
    model(
        m,
        "sensor",
        ref("gateway.id", ondelete="CASCADE"),
        ref("shelf.id", null=True),
        text("kind", 20),
        sa.Column("status", status, nullable=False, server_default="ok"),
        sa.Column("history", postgresql.ARRAY(status)),
        sa.Column("limits", postgresql.NUMRANGE),
        sa.CheckConstraint("NOT isempty(limits)", name="limits"),
    )
    reading = sa.Table(
        "reading",
        m,
        sa.Column("sensor_id", sa.ForeignKey("sensor.id"), primary_key=True),
        sa.Column("at", postgresql.TIMESTAMP(timezone=True, precision=3), primary_key=True),
        sa.Column("value", postgresql.REAL, nullable=False),
        postgresql_partition_by="RANGE (at)",
    )
    after(
        reading,
        "CREATE TABLE reading_2031 PARTITION OF reading FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')",
    )
    after(reading, "CREATE TABLE reading_else PARTITION OF reading DEFAULT")
    model(
        m,
        "alarm",
        ref("sensor.id"),
        sa.Column("status", status, nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
        sa.Column("cleared_at", sa.DateTime(timezone=True)),
        sa.Column("lasted", sa.Interval, sa.Computed("cleared_at - raised_at", persisted=True)),
    )
    sa.Index(
        "uq_alarm_open",
        m.tables["alarm"].c.sensor_id,
        unique=True,
        postgresql_where=m.tables["alarm"].c.cleared_at.is_(None),
    )
    model(
        m,
        "firmware",
        text("version", 20, unique=True),
        sa.Column("image", postgresql.BYTEA),
        sa.Column("bits", postgresql.BIT(8)),
    )
    sa.Table(
        "installed",
        m,
        sa.Column(
            "gateway_id", sa.ForeignKey("gateway.id", deferrable=True, initially="DEFERRED"), primary_key=True
        ),
        sa.Column("firmware_id", sa.ForeignKey("firmware.id"), primary_key=True),
        moment("at", now=True),
    )
    model(
        m,
        "count",
        ref("hall.id"),
        sa.Column("day", sa.Date, server_default=sa.text("CURRENT_DATE")),
        whole("differences", 0),
    )
    model(m, "cache", text("key", unique=True), sa.Column("value", postgresql.JSON), prefixes=["UNLOGGED"])

"""A whole application: customers and deals."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from . import case
from .app_pieces import CONVENTION, flag, link, model, moment, money, ref, text, whole

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


@case(naming_convention=CONVENTION)
def app_crm(m):
    stage = sa.Enum("lead", "offer", "won", "lost", name="stage", metadata=m)
    channel = sa.Enum("mail", "phone", "visit", "letter", name="channel", metadata=m)
    model(
        m,
        "user",
        text("login", 40, unique=True),
        text("name"),
        ref("user.id", "manager_id", null=True),
        flag("is_active", True),
        sa.Column("settings", JSON),
    )
    model(m, "team", text("name", unique=True), sa.Column("lead_id", sa.ForeignKey("user.id"), unique=True))
    link(m, "team_user", "team.id", "user.id")
    model(m, "industry", text("name", unique=True), ref("industry.id", "parent_id", null=True))
    company = model(
        m,
        "company",
        text("name", 200, index=True),
        text("domain", 253, nullable=True),
        ref("industry.id", null=True),
        ref("company.id", "parent_id", null=True),
        ref("user.id", "owner_id"),
        whole("employees", nullable=True),
        sa.Column(
            "main_contact_id", sa.ForeignKey("contact.id", use_alter=True, name="fk_company_main_contact")
        ),
        sa.Column("custom", JSON, server_default="{}"),
        moment("created_at", now=True),
        moment("deleted_at"),
        sa.CheckConstraint("employees IS NULL OR employees >= 0", name="employees"),
    )
    sa.Index(
        "uq_company_domain",
        company.c.domain,
        unique=True,
        postgresql_where=company.c.deleted_at.is_(None),
        sqlite_where=company.c.deleted_at.is_(None),
    )
    contact = model(
        m,
        "contact",
        ref("company.id", null=True, ondelete="SET NULL"),
        text("first_name", 60, nullable=True),
        text("last_name", 60),
        text("email", 254, nullable=True, index=True),
        text("phone", 40, nullable=True),
        sa.Column("birthday", sa.Date),
        sa.Column("initial", sa.String(1), sa.Computed("substr(last_name, 1, 1)", persisted=True)),
        flag("may_be_mailed"),
        moment("created_at", now=True),
    )
    sa.Index("ix_contact_name_lower", sa.func.lower(contact.c.last_name), contact.c.first_name).ddl_if(
        dialect=("sqlite", "postgresql")
    )
    model(
        m,
        "address",
        ref("company.id", null=True, ondelete="CASCADE"),
        ref("contact.id", null=True, ondelete="CASCADE"),
        text("street", 200),
        text("city"),
        sa.Column("country", sa.CHAR(2), nullable=False),
        sa.CheckConstraint("(company_id IS NULL) <> (contact_id IS NULL)", name="of_one"),
    )
    model(m, "pipeline", text("name", unique=True), whole("position", 0))
    deal = model(
        m,
        "deal",
        ref("pipeline.id"),
        ref("company.id"),
        ref("contact.id", null=True),
        ref("user.id", "owner_id"),
        text("title", 200),
        sa.Column("stage", stage, nullable=False, server_default="lead"),
        money("value", server_default="0"),
        sa.Column("chance", sa.SmallInteger, nullable=False, server_default="50"),
        sa.Column("expected", sa.Numeric(14, 4), sa.Computed("value * chance / 100", persisted=True)),
        sa.Column("closes", sa.Date),
        sa.CheckConstraint("chance BETWEEN 0 AND 100", name="chance"),
    )
    sa.Index(
        "ix_deal_open",
        deal.c.owner_id,
        deal.c.closes,
        postgresql_where=deal.c.stage.in_(["lead", "offer"]),
        sqlite_where=deal.c.stage.in_(["lead", "offer"]),
    )
    model(
        m,
        "deal_history",
        ref("deal.id", ondelete="CASCADE"),
        sa.Column("old", stage),
        sa.Column("new", stage),
        moment("at", now=True, index=True),
    )
    model(
        m,
        "activity",
        sa.Column("channel", channel, nullable=False),
        ref("user.id"),
        ref("contact.id", null=True),
        ref("deal.id", null=True, ondelete="CASCADE"),
        moment("at", now=True),
        sa.Column("duration", sa.Interval),
        sa.Column("notes", sa.Text),
        sa.Index(None, "user_id", "at"),
    )
    model(
        m,
        "task",
        ref("user.id"),
        ref("deal.id", null=True),
        text("title", 200),
        sa.Column("due", sa.Date, index=True),
        moment("done_at"),
        sa.Column("priority", sa.SmallInteger, nullable=False, server_default="3"),
        sa.CheckConstraint("priority IN (1, 2, 3)", name="priority"),
    )
    model(m, "product", text("code", 20, unique=True), text("name"), money("price"))
    sa.Table(
        "deal_line",
        m,
        sa.Column("deal_id", sa.ForeignKey("deal.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("product_id", sa.ForeignKey("product.id"), primary_key=True, index=True),
        whole("quantity", 1),
        sa.Column("discount", sa.Numeric(5, 4), nullable=False, server_default="0"),
        sa.CheckConstraint("discount >= 0 AND discount < 1", name="discount"),
    )
    model(m, "tag", text("name", 60, unique=True), text("color", 7, server_default="#cccccc"))
    link(m, "company_tag", "company.id", "tag.id")
    link(m, "contact_tag", "contact.id", "tag.id")
    model(
        m,
        "campaign",
        text("name"),
        sa.Column("channel", channel),
        sa.Column("starts", sa.Date),
        sa.Column("ends", sa.Date),
        sa.Column("filter", JSON),
        sa.CheckConstraint("starts <= ends", name="period"),
    )
    link(m, "campaign_contact", "campaign.id", "contact.id", moment("answered_at"))
    model(
        m,
        "mail",
        ref("contact.id"),
        ref("campaign.id", null=True),
        text("subject", 250),
        sa.Column("body", sa.Text),
        text("message_id", 250, nullable=True, unique=True),
        moment("sent_at", index=True),
    )
    model(
        m,
        "file",
        ref("deal.id", null=True),
        ref("company.id", null=True),
        text("name", 250),
        sa.Column("size", sa.BigInteger),
        sa.Column("key", sa.Uuid, unique=True),
    )
    model(
        m,
        "import_run",
        ref("user.id"),
        text("file", 250),
        whole("rows", 0),
        sa.Column("errors", JSON),
        moment("at", now=True),
        comment="who imported what: 'source; target'",
    )

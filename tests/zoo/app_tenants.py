"""A whole application: software for many tenants, on PostgreSQL."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from . import POSTGRESQL, after, before, case
from .app_pieces import CONVENTION, flag, link, model, moment, money, ref, text, whole


def big(name="id"):
    return sa.Column(name, sa.BigInteger, sa.Identity(always=True), primary_key=True)


@case(POSTGRESQL, naming_convention=CONVENTION)
def app_tenants(m):
    before(m, "CREATE SCHEMA accounts")
    before(m, "CREATE SCHEMA billing")
    plan = sa.Enum("free", "team", "company", name="plan", schema="billing", metadata=m)
    right = sa.Enum("read", "write", "own", name="right", metadata=m)

    def account(name, *items, **options):
        return model(m, name, *items, schema="accounts", **options)

    def bill(name, *items, **options):
        return model(m, name, *items, schema="billing", **options)

    def tenant():
        return ref("accounts.tenant.id", ondelete="CASCADE")

    account(
        "tenant",
        text("name"),
        text("slug", 63, unique=True),
        sa.Column("plan", plan, nullable=False, server_default="free"),
        sa.Column("settings", postgresql.JSONB, server_default="{}"),
        sa.Column("owner_id", sa.ForeignKey("accounts.user.id", use_alter=True, name="fk_tenant_owner")),
        sa.CheckConstraint("slug ~ '^[a-z][a-z0-9-]+$'", name="slug"),
        comment="One paying customer; 'acme' is ours",
    )
    user = account(
        "user",
        text("email", 254),
        text("password", 200, nullable=True),
        sa.Column("totp", postgresql.BYTEA),
        flag("is_staff"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now()),
        moment("deleted_at"),
    )
    sa.Index(
        "uq_user_email",
        sa.func.lower(user.c.email),
        unique=True,
        postgresql_where=user.c.deleted_at.is_(None),
    )
    sa.Table(
        "membership",
        m,
        sa.Column("tenant_id", sa.ForeignKey("accounts.tenant.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("user_id", sa.ForeignKey("accounts.user.id"), primary_key=True, index=True),
        sa.Column("right", right, nullable=False),
        schema="accounts",
    )
    account(
        "invitation",
        tenant(),
        text("email", 254),
        sa.Column("right", right),
        sa.Column("token", postgresql.UUID, unique=True, server_default=sa.text("gen_random_uuid()")),
        sa.UniqueConstraint("tenant_id", "email"),
    )
    account(
        "api_key",
        tenant(),
        ref("accounts.user.id"),
        text("prefix", 8, unique=True),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("scopes", postgresql.ARRAY(right), nullable=False, server_default="{}"),
    )
    account(
        "session",
        ref("accounts.user.id", ondelete="CASCADE"),
        sa.Column("ip", postgresql.INET),
        moment("expires_at", index=True),
    )
    account(
        "single_sign_on",
        tenant(),
        text("issuer", 250),
        text("client", 120),
        sa.UniqueConstraint("tenant_id", "issuer", name="uq_sso"),
    )
    account(
        "login_attempt",
        ref("accounts.user.id", null=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), index=True),
        flag("succeeded"),
    )
    bill(
        "price",
        sa.Column("plan", plan, nullable=False),
        money("amount"),
        sa.Column("valid", postgresql.DATERANGE, nullable=False),
        postgresql.ExcludeConstraint(
            (sa.column("valid"), "&&"), using="gist", where=sa.column("plan") == "team", name="ex_price"
        ),
    )
    bill(
        "subscription",
        sa.Column("tenant_id", sa.ForeignKey("accounts.tenant.id"), unique=True, nullable=False),
        ref("billing.price.id"),
        moment("since", now=True),
        moment("until"),
        whole("seats", 1),
        sa.CheckConstraint("seats > 0", name="seats"),
    )
    invoice = bill(
        "invoice",
        ref("billing.subscription.id"),
        sa.Column("number", sa.BigInteger, sa.Identity(start=1000), unique=True),
        money("net"),
        sa.Column("vat", sa.Numeric(4, 3), server_default="0.19"),
        sa.Column("gross", sa.Numeric(12, 2), sa.Computed("round(net * (1 + vat), 2)", persisted=True)),
        moment("paid_at"),
    )
    sa.Index("ix_invoice_unpaid", invoice.c.subscription_id, postgresql_where=invoice.c.paid_at.is_(None))
    bill("invoice_line", ref("billing.invoice.id", ondelete="CASCADE"), text("text", 250), money("price"))
    bill(
        "payment",
        ref("billing.invoice.id"),
        text("provider", 20),
        text("reference", 80),
        sa.UniqueConstraint("provider", "reference", postgresql_nulls_not_distinct=True),
    )
    bill("coupon", text("code", 20, unique=True), sa.Column("plans", postgresql.ARRAY(plan)))
    model(
        m,
        "project",
        tenant(),
        text("name"),
        text("key", 8),
        sa.UniqueConstraint("tenant_id", "key"),
        sa.UniqueConstraint("id", "tenant_id"),
    )
    model(
        m,
        "board",
        sa.Column("project_id", sa.Integer, nullable=False),
        sa.Column("tenant_id", sa.Integer, nullable=False),
        text("name"),
        sa.ForeignKeyConstraint(
            ["project_id", "tenant_id"], ["project.id", "project.tenant_id"], ondelete="CASCADE"
        ),
        sa.Index(None, "project_id", "tenant_id"),
    )
    model(
        m,
        "lane",
        ref("board.id", ondelete="CASCADE"),
        text("name"),
        whole("position"),
        sa.UniqueConstraint("board_id", "position", deferrable=True, initially="IMMEDIATE"),
    )
    card = model(
        m,
        "card",
        tenant(),
        ref("lane.id"),
        ref("card.id", "parent_id", null=True),
        ref("accounts.user.id", "assignee_id", null=True, ondelete="SET NULL"),
        text("title", 250),
        sa.Column("body", sa.Text),
        sa.Column("fields", postgresql.JSONB),
        whole("position", 0),
        sa.Column("due", sa.Date),
    )
    sa.Index(
        "ix_card_search",
        sa.func.to_tsvector(sa.literal_column("'english'"), sa.func.coalesce(card.c.title, "")),
        postgresql_using="gin",
    )
    sa.Index("ix_card_due", card.c.tenant_id, card.c.due.desc().nulls_last())
    model(m, "label", tenant(), text("name", 60), sa.UniqueConstraint("tenant_id", "name"))
    link(m, "card_label", "card.id", "label.id")
    model(
        m,
        "comment",
        tenant(),
        ref("card.id", ondelete="CASCADE"),
        ref("accounts.user.id", "author_id"),
        sa.Column("text", sa.Text, nullable=False),
    )
    log = model(
        m,
        "audit",
        tenant(),
        sa.Column("who", sa.Integer),
        sa.Column("what", postgresql.JSONB, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp()),
    )
    sa.Index("ix_audit_at", log.c.at, postgresql_using="brin", postgresql_with={"pages_per_range": 32})
    for name in ("project", "card"):
        after(m.tables[name], f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
        after(
            m.tables[name],
            f"CREATE POLICY own ON {name} USING (tenant_id = current_setting('app.tenant')::integer)",
        )

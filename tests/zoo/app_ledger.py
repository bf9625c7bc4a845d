"""A whole application: the ledger of a small company."""

import sqlalchemy as sa

from . import after, case
from .app_pieces import CONVENTION, flag, model, moment, money, ref, text, whole


@case(naming_convention=CONVENTION)
def app_ledger(m):
    side = sa.Enum("debit", "credit", name="side")
    kind = sa.Enum(
        "asset",
        "liability",
        "equity",
        "income",
        "expense",
        name="account_kind",
        create_constraint=True,
        native_enum=False,
    )
    model(
        m,
        "company",
        text("name"),
        text("tax_number", 30, unique=True),
        sa.Column("logo", sa.LargeBinary),
        comment="Each keeps its own books",
    )
    model(
        m,
        "fiscal_year",
        ref("company.id"),
        whole("year"),
        sa.Column("starts", sa.Date, nullable=False),
        sa.Column("ends", sa.Date, nullable=False),
        flag("is_closed"),
        sa.UniqueConstraint("company_id", "year"),
        sa.CheckConstraint("starts < ends", name="period"),
        sa.CheckConstraint("year > 1990 AND year < 2200", name="year"),
    )
    model(
        m,
        "period",
        ref("fiscal_year.id"),
        sa.Column("month", sa.SmallInteger, nullable=False),
        flag("is_closed"),
        sa.UniqueConstraint("fiscal_year_id", "month"),
        sa.CheckConstraint("month BETWEEN 1 AND 12", name="month"),
    )
    sa.Table("currency", m, sa.Column("code", sa.CHAR(3), primary_key=True), text("name"))
    sa.Table(
        "rate",
        m,
        sa.Column("from_code", sa.ForeignKey("currency.code"), primary_key=True),
        sa.Column("to_code", sa.ForeignKey("currency.code"), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("rate", sa.Numeric(18, 8), nullable=False),
        sa.CheckConstraint("rate > 0", name="positive"),
        sa.CheckConstraint("from_code <> to_code", name="two_currencies"),
    )
    model(
        m,
        "account",
        ref("company.id"),
        ref("account.id", "parent_id", null=True),
        text("number", 10),
        text("name"),
        sa.Column("kind", kind, nullable=False),
        sa.Column("currency_code", sa.ForeignKey("currency.code"), nullable=False, server_default="EUR"),
        flag("is_active", True),
        sa.UniqueConstraint("company_id", "number"),
        comment="100% of the chart of accounts",
    )
    model(
        m,
        "tax_code",
        ref("company.id"),
        text("code", 8),
        sa.Column("rate", sa.Numeric(5, 4), nullable=False),
        ref("account.id", null=True),
        sa.UniqueConstraint("company_id", "code"),
    )
    model(
        m,
        "partner",
        ref("company.id"),
        text("name", index=True),
        text("iban", 34, nullable=True),
        flag("is_customer"),
        flag("is_supplier"),
        sa.CheckConstraint("is_customer OR is_supplier", name="is_something"),
    )
    entry = model(
        m,
        "entry",
        ref("period.id"),
        whole("number"),
        sa.Column("day", sa.Date, nullable=False, index=True),
        text("text", 250),
        sa.Column("reversed_id", sa.ForeignKey("entry.id"), unique=True),
        moment("posted_at"),
        moment("created_at", now=True),
        sa.UniqueConstraint("period_id", "number"),
    )
    sa.Index(
        "ix_entry_open",
        entry.c.period_id,
        entry.c.day.desc(),
        postgresql_where=entry.c.posted_at.is_(None),
        sqlite_where=entry.c.posted_at.is_(None),
    )
    sa.Table(
        "posting",
        m,
        sa.Column("entry_id", sa.ForeignKey("entry.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
        ref("account.id"),
        ref("tax_code.id", null=True),
        sa.Column("side", side, nullable=False),
        money("amount"),
        sa.Column(
            "signed",
            sa.Numeric(12, 2),
            sa.Computed("CASE WHEN side = 'debit' THEN amount ELSE -amount END", persisted=True),
        ),
        sa.CheckConstraint("amount > 0", name="amount"),
    )
    model(
        m,
        "balance",
        ref("account.id"),
        ref("period.id"),
        money("opening", server_default="0"),
        money("closing", server_default="0"),
        sa.UniqueConstraint("account_id", "period_id"),
    )
    model(
        m,
        "invoice",
        ref("partner.id"),
        text("number", 30),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("due", sa.Date),
        money("net"),
        money("tax"),
        sa.Column("gross", sa.Numeric(12, 2), sa.Computed("net + tax", persisted=True)),
        ref("entry.id", null=True),
        sa.UniqueConstraint("partner_id", "number"),
        sa.CheckConstraint("due IS NULL OR due >= day", name="due"),
    )
    model(
        m,
        "invoice_line",
        ref("invoice.id", ondelete="CASCADE"),
        text("text", 250),
        sa.Column("quantity", sa.Numeric(10, 3), nullable=False, server_default="1"),
        money("price"),
        ref("tax_code.id"),
    )
    model(m, "bank_account", ref("company.id"), ref("account.id"), text("iban", 34, unique=True))
    model(
        m,
        "bank_line",
        ref("bank_account.id"),
        sa.Column("day", sa.Date, nullable=False),
        money("amount"),
        text("purpose", 250, nullable=True),
        text("hash", 64, unique=True),
        ref("entry.id", null=True, ondelete="SET NULL"),
    )
    model(
        m,
        "asset",
        ref("account.id"),
        text("name"),
        money("cost"),
        whole("months"),
        sa.Column("bought", sa.Date, nullable=False),
        sa.Column("sold", sa.Date),
    )
    model(
        m,
        "depreciation",
        ref("asset.id"),
        ref("period.id"),
        money("amount"),
        sa.UniqueConstraint("asset_id", "period_id"),
    )
    model(
        m,
        "cost_center",
        ref("company.id"),
        ref("cost_center.id", "parent_id", null=True),
        text("code", 10),
        sa.UniqueConstraint("company_id", "code"),
    )
    model(
        m,
        "budget",
        ref("cost_center.id"),
        ref("account.id"),
        whole("year"),
        sa.Column("months", sa.JSON, nullable=False),
        sa.UniqueConstraint("cost_center_id", "account_id", "year"),
    )
    model(
        m,
        "document",
        ref("entry.id", null=True),
        text("name", 250),
        text("mime", 80),
        sa.Column("content", sa.LargeBinary),
        moment("scanned_at", now=True, index=True),
    )
    log = model(
        m,
        "audit_log",
        text("who", 80),
        text("what", 40),
        sa.Column("was", sa.JSON),
        sa.Column("is", sa.JSON),
        moment("at", now=True, index=True),
    )
    kept = "CREATE TRIGGER audit_log_is_kept BEFORE DELETE ON audit_log"
    sa.event.listen(
        log,
        "after_create",
        sa.DDL(f"{kept} BEGIN SELECT RAISE(ABORT, 'kept'); END").execute_if(dialect="sqlite"),
    )
    sa.event.listen(
        log,
        "after_create",
        sa.DDL(f"{kept} FOR EACH ROW SIGNAL SQLSTATE '45000'").execute_if(dialect=("mysql", "mariadb")),
    )
    sa.event.listen(
        log,
        "after_create",
        sa.DDL("CREATE RULE audit_log_is_kept AS ON DELETE TO audit_log DO INSTEAD NOTHING").execute_if(
            dialect="postgresql"
        ),
    )
    after(
        m,
        "CREATE VIEW trial_balance AS SELECT account_id, sum(signed) AS total FROM posting GROUP BY account_id",
    )

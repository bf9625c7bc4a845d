"""A whole application: tickets."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from . import case
from .app_pieces import flag, link, model, moment, ref, text, whole

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


@case()
def app_tickets(m):
    state = sa.Enum("new", "open", "waiting", "solved", "closed", name="ticket_state", metadata=m)
    priority = sa.Enum("low", "normal", "high", name="priority", native_enum=False, create_constraint=True)
    model(m, "organization", text("name", unique=True), sa.Column("domains", sa.JSON))
    model(
        m,
        "agent",
        text("name"),
        text("email", 254, unique=True),
        flag("is_admin"),
        sa.Column("skills", sa.JSON),
    )
    model(
        m,
        "requester",
        ref("organization.id", null=True),
        text("name"),
        text("email", 254, unique=True),
        text("language", 5, server_default="en"),
    )
    model(m, "calendar", text("name", unique=True), text("zone", 60, server_default="Europe/Berlin"))
    model(
        m,
        "working_time",
        ref("calendar.id", ondelete="CASCADE"),
        sa.Column("day", sa.SmallInteger, nullable=False),
        sa.Column("starts", sa.Time, nullable=False),
        sa.Column("ends", sa.Time, nullable=False),
        sa.UniqueConstraint("calendar_id", "day", "starts", name="uq_working_time"),
        sa.CheckConstraint("day BETWEEN 0 AND 6", name="ck_day"),
        sa.CheckConstraint("starts < ends"),
    )
    model(
        m,
        "holiday",
        ref("calendar.id", ondelete="CASCADE"),
        sa.Column("day", sa.Date, nullable=False),
        sa.UniqueConstraint("calendar_id", "day"),
    )
    model(
        m,
        "queue",
        text("name", unique=True),
        ref("calendar.id", null=True),
        ref("queue.id", "parent_id", null=True),
        text("address", 254, unique=True, nullable=True),
    )
    link(m, "queue_agent", "queue.id", "agent.id", whole("level", 1))
    model(
        m,
        "sla",
        text("name", unique=True),
        sa.Column("first_answer", sa.Interval),
        sa.Column("solution", sa.Interval),
        sa.Column("priority", priority, nullable=False),
    )
    link(m, "queue_sla", "queue.id", "sla.id")
    ticket = model(
        m,
        "ticket",
        text("number", 20, unique=True),
        ref("queue.id"),
        ref("requester.id"),
        ref("agent.id", null=True, ondelete="SET NULL"),
        ref("sla.id", null=True),
        sa.Column("state", state, nullable=False, server_default="new"),
        sa.Column("priority", priority, nullable=False, server_default="normal"),
        text("subject", 250),
        moment("created_at", now=True, index=True),
        moment("due_at"),
        moment("solved_at"),
        ref("ticket.id", "merged_into_id", null=True),
        sa.Column("fields", sa.JSON),
        sa.Column(
            "last_message_id",
            sa.ForeignKey("message.id", use_alter=True, name="fk_ticket_last_message", ondelete="SET NULL"),
        ),
        sa.CheckConstraint("merged_into_id IS NULL OR merged_into_id <> id", name="ck_ticket_merged").ddl_if(
            dialect=("sqlite", "postgresql")
        ),
    )
    sa.Index(
        "ix_ticket_due",
        ticket.c.due_at,
        postgresql_where=sa.text("state NOT IN ('solved', 'closed')"),
        sqlite_where=sa.text("state NOT IN ('solved', 'closed')"),
    )
    sa.Index("ix_ticket_queue", ticket.c.queue_id, ticket.c.state, ticket.c.created_at.desc())
    model(
        m,
        "message",
        ref("ticket.id", ondelete="CASCADE"),
        ref("agent.id", null=True),
        ref("requester.id", null=True),
        sa.Column("text", sa.Text, nullable=False),
        flag("is_internal"),
        text("message_id", 250, nullable=True, unique=True),
        moment("at", now=True),
        sa.CheckConstraint("agent_id IS NULL OR requester_id IS NULL", name="ck_message_from_one"),
    )
    model(
        m,
        "attachment",
        ref("message.id", ondelete="CASCADE"),
        text("name", 250),
        text("mime", 100, server_default="application/octet-stream"),
        sa.Column("content", sa.LargeBinary),
    )
    model(
        m,
        "event",
        ref("ticket.id", ondelete="CASCADE"),
        ref("agent.id", null=True),
        text("field", 40),
        sa.Column("old", sa.Text),
        sa.Column("new", sa.Text),
        moment("at", now=True),
    )
    model(
        m,
        "time_entry",
        ref("ticket.id"),
        ref("agent.id"),
        whole("minutes"),
        sa.Column("hours", sa.Float, sa.Computed("minutes / 60.0", persisted=True)),
        sa.Column("day", sa.Date, index=True),
        sa.CheckConstraint("minutes > 0"),
    )
    model(m, "label", text("name", 60, unique=True))
    link(m, "ticket_label", "ticket.id", "label.id")
    link(m, "ticket_watcher", "ticket.id", "agent.id")
    model(
        m,
        "macro",
        text("name"),
        ref("queue.id", null=True),
        sa.Column("actions", sa.JSON, nullable=False),
        whole("used", 0),
    )
    model(
        m,
        "trigger",
        text("name"),
        sa.Column("conditions", sa.JSON, nullable=False),
        whole("position", 0, unique=True),
        flag("is_active", True),
    )
    model(
        m,
        "article",
        text("title", 200, index=True),
        sa.Column("text", sa.Text),
        ref("agent.id"),
        flag("is_public"),
        whole("version", 1),
    )
    link(m, "article_label", "article.id", "label.id")
    model(
        m,
        "rating",
        sa.Column("ticket_id", sa.ForeignKey("ticket.id", ondelete="CASCADE"), nullable=False, unique=True),
        sa.Column("stars", sa.SmallInteger, sa.CheckConstraint("stars BETWEEN 1 AND 5")),
        sa.Column("text", sa.Text),
    )
    model(
        m,
        "webhook",
        text("url", 250),
        text("secret", 64),
        sa.Column("events", sa.JSON),
        moment("failed_at"),
        comment="'POST', 3 times",
    )

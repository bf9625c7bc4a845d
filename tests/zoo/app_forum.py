"""A whole application: a forum."""

import sqlalchemy as sa

from . import case
from .app_pieces import CONVENTION, flag, link, model, moment, ref, text, whole


@case(naming_convention=CONVENTION)
def app_forum(m):
    level = sa.Enum("guest", "member", "moderator", "admin", name="level", metadata=m)
    vote = sa.Enum("up", "down", name="vote", native_enum=False, length=8)
    member = model(
        m,
        "member",
        text("name", 40, unique=True),
        text("email", 254),
        sa.Column("level", level, nullable=False, server_default="member"),
        text("signature", 250, nullable=True),
        whole("posts", 0),
        moment("joined_at", now=True),
        moment("banned_until"),
        ref("member.id", "invited_by_id", null=True, ondelete="SET NULL"),
        sa.Column(
            "last_post_id",
            sa.ForeignKey("post.id", use_alter=True, name="fk_member_last_post", ondelete="SET NULL"),
        ),
    )
    sa.Index("uq_member_email_lower", sa.func.lower(member.c.email), unique=True).ddl_if(
        dialect=("sqlite", "postgresql")
    )
    model(
        m,
        "group",
        text("name", 60, unique=True),
        sa.Column("color", sa.String(7)),
        sa.CheckConstraint("color LIKE '#%'", name="color"),
    )
    link(m, "group_member", "group.id", "member.id", flag("is_leader"))
    model(m, "area", text("title"), whole("position", 0, unique=True), comment="A heading over boards")
    model(
        m,
        "board",
        ref("area.id"),
        ref("board.id", "parent_id", null=True),
        text("title"),
        text("description", 250, nullable=True),
        sa.Column("read_level", level, nullable=False, server_default="guest"),
        sa.Column("write_level", level, nullable=False, server_default="member"),
        sa.Column("last_topic_id", sa.ForeignKey("topic.id", use_alter=True, name="fk_board_last_topic")),
        whole("position", 0),
        sa.Index(None, "area_id", "position"),
    )
    topic = model(
        m,
        "topic",
        ref("board.id"),
        ref("member.id"),
        text("title", 200),
        flag("is_pinned"),
        flag("is_locked"),
        whole("views", 0),
        moment("created_at", now=True),
        moment("bumped_at", now=True),
        sa.Column("first_post_id", sa.ForeignKey("post.id", use_alter=True, name="fk_topic_first_post")),
        ref("topic.id", "moved_to_id", null=True),
    )
    sa.Index("ix_topic_bumped", topic.c.board_id, topic.c.is_pinned.desc(), topic.c.bumped_at.desc())
    post = model(
        m,
        "post",
        ref("topic.id", ondelete="CASCADE"),
        ref("member.id", null=True, ondelete="SET NULL"),
        ref("post.id", "quotes_id", null=True),
        sa.Column("text", sa.Text, nullable=False),
        moment("created_at", now=True, index=True),
        moment("edited_at"),
        flag("is_hidden"),
        text("ip", 45, nullable=True),
    )
    sa.Index(
        "ix_post_hidden", post.c.topic_id, postgresql_where=post.c.is_hidden, sqlite_where=post.c.is_hidden
    )
    sa.Table(
        "post_vote",
        m,
        sa.Column("post_id", sa.ForeignKey("post.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("member_id", sa.ForeignKey("member.id", ondelete="CASCADE"), primary_key=True, index=True),
        sa.Column("vote", vote, nullable=False),
    )
    model(
        m,
        "attachment",
        ref("post.id", ondelete="CASCADE"),
        text("file", 250),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.LargeBinary(32)),
        sa.CheckConstraint("size > 0", name="size"),
    )
    model(
        m,
        "poll",
        sa.Column("topic_id", sa.ForeignKey("topic.id", ondelete="CASCADE"), unique=True, nullable=False),
        text("question", 200),
        moment("ends_at"),
        whole("choices", 1),
        sa.CheckConstraint("choices >= 1", name="choices"),
    )
    sa.Table(
        "poll_option",
        m,
        sa.Column("poll_id", sa.ForeignKey("poll.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        text("text", 120),
    )
    sa.Table(
        "poll_vote",
        m,
        sa.Column("poll_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("member_id", sa.ForeignKey("member.id"), primary_key=True, index=True),
        sa.ForeignKeyConstraint(
            ["poll_id", "number"], ["poll_option.poll_id", "poll_option.number"], ondelete="CASCADE"
        ),
    )
    link(m, "watch", "topic.id", "member.id", moment("since", now=True))
    link(m, "seen", "topic.id", "member.id", ref("post.id", null=True))
    model(m, "conversation", text("subject", 200), moment("created_at", now=True))
    link(m, "participant", "conversation.id", "member.id", flag("has_left"))
    model(
        m,
        "message",
        ref("conversation.id", ondelete="CASCADE"),
        ref("member.id"),
        sa.Column("text", sa.Text, nullable=False),
        moment("sent_at", now=True),
        sa.Index(None, "conversation_id", "sent_at"),
    )
    model(
        m,
        "report",
        ref("post.id"),
        ref("member.id"),
        text("reason", 250),
        moment("closed_at"),
        ref("member.id", "closed_by_id", null=True),
        sa.CheckConstraint("(closed_at IS NULL) = (closed_by_id IS NULL)", name="closed"),
    )
    model(
        m,
        "ban",
        ref("member.id"),
        moment("since", now=True),
        moment("until"),
        text("reason", 250, server_default="it's 100% spam"),
    )
    model(m, "badge", text("name", 60, unique=True), text("icon", 60), whole("points", 0))
    link(m, "badge_member", "badge.id", "member.id", moment("given_at", now=True))
    model(
        m,
        "session",
        ref("member.id", ondelete="CASCADE"),
        text("token", 64, unique=True),
        sa.Column("data", sa.JSON),
        moment("expires_at", index=True),
    )

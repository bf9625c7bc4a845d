"""A whole application: a blog with pages and media."""

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from . import case
from .app_pieces import link


@case()
def app_blog(m):
    class Base(DeclarativeBase):
        metadata = m

    class Dated:
        created_at: Mapped[str] = mapped_column(sa.DateTime, server_default=sa.func.now())
        updated_at: Mapped[str | None] = mapped_column(sa.DateTime, index=True)

    class Owned:
        @declared_attr
        @classmethod
        def author_id(cls) -> Mapped[int]:
            return mapped_column(sa.ForeignKey("author.id"), index=True)

    class Sluggish:
        title: Mapped[str] = mapped_column(sa.String(200))
        slug: Mapped[str] = mapped_column(sa.String(200), unique=True)

    state = sa.Enum("draft", "review", "published", "hidden", name="content_state")

    def table(called, bases, **columns):
        return type(
            called,
            (*bases, Base),
            {"__tablename__": called, "id": sa.Column(sa.Integer, primary_key=True), **columns},
        ).__table__

    def key(target, **options):
        return sa.Column(sa.ForeignKey(target, **options), index=True)

    table(
        "author",
        (Dated,),
        login=sa.Column(sa.String(40), nullable=False, unique=True),
        email=sa.Column(sa.String(254), nullable=False),
        bio=sa.Column(sa.Text),
        avatar_id=sa.Column(sa.ForeignKey("media.id", use_alter=True, name="fk_author_avatar")),
    )
    table("role", (), name=sa.Column(sa.String(40), unique=True), rights=sa.Column(sa.JSON))
    link(m, "author_role", "author.id", "role.id")
    table(
        "media",
        (Dated, Owned),
        path=sa.Column(sa.String(250), nullable=False),
        mime=sa.Column(sa.String(80)),
        size=sa.Column(sa.BigInteger, sa.CheckConstraint("size >= 0")),
        meta=sa.Column(sa.JSON),
        folder_id=key("folder.id"),
    )
    table("folder", (), name=sa.Column(sa.String(80)), parent_id=key("folder.id", ondelete="CASCADE"))
    table(
        "site",
        (),
        host=sa.Column(sa.String(253), unique=True),
        is_live=sa.Column(sa.Boolean(create_constraint=True, name="ck_site_live"), nullable=False),
    )
    table(
        "theme",
        (),
        name=sa.Column(sa.String(40), unique=True, comment="folder's name"),
        options=sa.Column(sa.JSON),
    )
    table(
        "section",
        (Sluggish,),
        site_id=key("site.id"),
        theme_id=key("theme.id"),
        parent_id=key("section.id"),
        position=sa.Column(sa.SmallInteger, server_default=sa.text("0")),
    )
    post = table(
        "post",
        (Sluggish, Dated, Owned),
        body=sa.Column(sa.Text),
        state=sa.Column(state, nullable=False, server_default="draft"),
        section_id=key("section.id"),
        cover_id=key("media.id", ondelete="SET NULL"),
        published_at=sa.Column(sa.DateTime),
        views=sa.Column(sa.BigInteger, nullable=False, server_default="0"),
        year=sa.Column(sa.Integer, index=True),
    )
    sa.Index("ix_post_newest", post.c.section_id, post.c.published_at.desc())
    sa.Index(
        "ix_post_published",
        post.c.published_at,
        postgresql_where=post.c.state == "published",
        sqlite_where=post.c.state == "published",
    )
    sa.Index("ix_post_title", sa.func.lower(post.c.title)).ddl_if(dialect=("sqlite", "postgresql"))
    table(
        "page",
        (Sluggish, Dated, Owned),
        body=sa.Column(sa.Text),
        state=sa.Column(state, nullable=False),
        section_id=key("section.id"),
        template=sa.Column(sa.String(40), server_default="page.html"),
    )
    table(
        "revision",
        (Dated, Owned),
        post_id=key("post.id", ondelete="CASCADE"),
        page_id=key("page.id", ondelete="CASCADE"),
        body=sa.Column(sa.Text),
        __table_args__=(
            sa.CheckConstraint("(post_id IS NULL) <> (page_id IS NULL)", name="ck_revision_of_one"),
        ),
    )
    table("tag", (), name=sa.Column(sa.String(60), unique=True))
    link(m, "post_tag", "post.id", "tag.id")
    link(m, "post_related", "post.id", "media.id", sa.Column("caption", sa.String(200)))
    table(
        "comment",
        (Dated,),
        post_id=key("post.id", ondelete="CASCADE"),
        parent_id=key("comment.id", ondelete="CASCADE"),
        name=sa.Column(sa.String(80)),
        text=sa.Column(sa.Text, nullable=False),
        is_spam=sa.Column(sa.Boolean),
        ip=sa.Column(sa.String(45), index=True),
    )
    table(
        "menu",
        (),
        site_id=key("site.id"),
        name=sa.Column(sa.String(40)),
        __table_args__=(sa.UniqueConstraint("site_id", "name", name="uq_menu"),),
    )
    table(
        "menu_item",
        (),
        menu_id=key("menu.id", ondelete="CASCADE"),
        page_id=key("page.id"),
        url=sa.Column(sa.String(250)),
        position=sa.Column(sa.Integer, nullable=False),
        __table_args__=(
            sa.UniqueConstraint("menu_id", "position", name="uq_menu_item"),
            {"comment": "one after the other: 1, 2, 3"},
        ),
    )
    table(
        "redirect",
        (),
        old=sa.Column(sa.String(250), unique=True),
        new=sa.Column(sa.String(250), nullable=False),
        code=sa.Column(
            sa.SmallInteger, sa.CheckConstraint("code IN (301, 302, 307, 308)"), server_default="301"
        ),
    )
    table(
        "setting",
        (),
        site_id=key("site.id"),
        key=sa.Column(sa.String(60)),
        value=sa.Column(sa.JSON),
        __table_args__=(sa.UniqueConstraint("site_id", "key", name="uq_setting"),),
    )
    table(
        "subscription",
        (Dated,),
        email=sa.Column(sa.String(254), unique=True),
        token=sa.Column(sa.Uuid, unique=True),
    )
    table(
        "newsletter",
        (Dated, Owned),
        subject=sa.Column(sa.String(200)),
        body=sa.Column(sa.Text),
        sent_at=sa.Column(sa.DateTime),
    )
    link(m, "delivery", "newsletter.id", "subscription.id", sa.Column("opened_at", sa.DateTime))

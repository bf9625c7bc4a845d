"""A whole application: a school."""

import sqlalchemy as sa

from . import after, case
from .app_pieces import flag, model, moment, ref, text, whole


@case()
def app_school(m):
    term = sa.Enum("autumn", "spring", name="term", metadata=m)
    grade = sa.Enum("A", "B", "C", "D", "F", name="grade", metadata=m)
    person = model(
        m,
        "person",
        text("type", 20),
        text("first_name", 60),
        text("last_name", 60),
        sa.Column("born", sa.Date),
        text("email", 254, nullable=True, unique=True),
        sa.Index("ix_person_name", "last_name", "first_name"),
        comment="pupils, teachers & parents",
    )
    sa.Index("ix_person_type", person.c.type, person.c.last_name)
    sa.Table(
        "teacher",
        m,
        sa.Column("id", sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
        text("short", 4, unique=True),
        sa.Column("hours", sa.Numeric(4, 1), server_default="25.5"),
    )
    sa.Table(
        "pupil",
        m,
        sa.Column("id", sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
        text("number", 20, unique=True),
        sa.Column("form_id", sa.ForeignKey("form.id", use_alter=True, name="fk_pupil_form")),
    )
    sa.Table(
        "guardian",
        m,
        sa.Column("id", sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True),
        text("phone", 40),
    )
    sa.Table(
        "guardianship",
        m,
        sa.Column("guardian_id", sa.ForeignKey("guardian.id"), primary_key=True),
        sa.Column("pupil_id", sa.ForeignKey("pupil.id"), primary_key=True, index=True),
        flag("is_first"),
    )
    sa.Table(
        "year",
        m,
        sa.Column("year", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("starts", sa.Date, nullable=False),
        sa.Column("ends", sa.Date, nullable=False),
        sa.CheckConstraint("starts < ends", name="ck_year"),
    )
    sa.Table(
        "half",
        m,
        sa.Column("year", sa.ForeignKey("year.year"), primary_key=True),
        sa.Column("term", term, primary_key=True),
    )
    model(
        m,
        "room",
        text("number", 10, unique=True),
        whole("seats", 30),
        sa.Column("equipment", sa.JSON),
        sa.CheckConstraint("seats > 0", name="ck_room_seats"),
    )
    model(
        m,
        "form",
        text("name", 10),
        sa.Column("year", sa.ForeignKey("year.year"), nullable=False),
        ref("teacher.id", "tutor_id", null=True),
        ref("room.id", null=True),
        sa.Column("speaker_id", sa.ForeignKey("pupil.id"), unique=True),
        sa.UniqueConstraint("name", "year", name="uq_form"),
    )
    sa.Table(
        "subject",
        m,
        sa.Column("code", sa.String(8), primary_key=True),
        text("name"),
        ref("subject.code", "parent_code", null=True),
    )
    sa.Table(
        "teaches",
        m,
        sa.Column("teacher_id", sa.ForeignKey("teacher.id"), primary_key=True),
        sa.Column("subject_code", sa.ForeignKey("subject.code"), primary_key=True),
    )
    sa.Table(
        "course",
        m,
        sa.Column("year", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("term", term, primary_key=True),
        sa.Column("code", sa.String(20), primary_key=True),
        ref("subject.code", "subject_code"),
        ref("teacher.id"),
        ref("form.id", null=True),
        whole("places", 30),
        sa.ForeignKeyConstraint(["year", "term"], ["half.year", "half.term"], name="fk_course_half"),
    )
    key = [
        sa.Column("year", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("term", term, primary_key=True),
        sa.Column("code", sa.String(20), primary_key=True),
    ]
    sa.Table(
        "enrolment",
        m,
        *key,
        sa.Column("pupil_id", sa.ForeignKey("pupil.id"), primary_key=True, index=True),
        sa.Column("grade", grade),
        moment("at", now=True),
        sa.ForeignKeyConstraint(
            ["year", "term", "code"],
            ["course.year", "course.term", "course.code"],
            name="fk_enrolment_course",
            onupdate="CASCADE",
        ),
    )
    model(
        m,
        "lesson",
        sa.Column("year", sa.SmallInteger, nullable=False),
        sa.Column("term", term, nullable=False),
        text("code", 20),
        ref("room.id"),
        sa.Column("day", sa.SmallInteger, nullable=False),
        sa.Column("hour", sa.SmallInteger, nullable=False),
        sa.ForeignKeyConstraint(
            ["year", "term", "code"], ["course.year", "course.term", "course.code"], name="fk_lesson_course"
        ),
        sa.UniqueConstraint("year", "term", "room_id", "day", "hour", name="uq_lesson_room"),
        sa.CheckConstraint("day BETWEEN 1 AND 6 AND hour BETWEEN 1 AND 12", name="ck_lesson"),
    )
    model(
        m,
        "absence",
        ref("pupil.id"),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("hours", sa.SmallInteger),
        flag("is_excused"),
        ref("guardian.id", "excused_by_id", null=True),
        sa.UniqueConstraint("pupil_id", "day", name="uq_absence"),
    )
    model(
        m,
        "test",
        ref("lesson.id"),
        text("title", 200),
        sa.Column("points", sa.Numeric(5, 1), nullable=False),
        sa.Column("day", sa.Date, index=True),
    )
    sa.Table(
        "result",
        m,
        sa.Column("test_id", sa.ForeignKey("test.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("pupil_id", sa.ForeignKey("pupil.id"), primary_key=True, index=True),
        sa.Column("points", sa.Numeric(5, 1), sa.CheckConstraint("points >= 0")),
        sa.Column("grade", grade),
    )
    model(
        m,
        "report",
        ref("pupil.id"),
        sa.Column("year", sa.SmallInteger, nullable=False),
        sa.Column("term", term, nullable=False),
        sa.Column("text", sa.Text),
        sa.ForeignKeyConstraint(["year", "term"], ["half.year", "half.term"]),
        sa.UniqueConstraint("pupil_id", "year", "term", name="uq_report"),
    )
    model(
        m,
        "book",
        text("isbn", 13, unique=True),
        text("title", 250),
        ref("subject.code", "subject_code", null=True),
        whole("copies", 0),
    )
    loan = model(
        m,
        "loan",
        ref("book.id"),
        ref("person.id"),
        sa.Column("since", sa.Date, nullable=False),
        sa.Column("until", sa.Date),
    )
    sa.Index(
        "ix_loan_open",
        loan.c.person_id,
        loan.c.since,
        postgresql_where=loan.c.until.is_(None),
        sqlite_where=loan.c.until.is_(None),
    )
    model(m, "club", text("name", unique=True), ref("teacher.id"))
    sa.Table(
        "club_pupil",
        m,
        sa.Column("club_id", sa.ForeignKey("club.id"), primary_key=True),
        sa.Column("pupil_id", sa.ForeignKey("pupil.id"), primary_key=True, index=True),
    )
    model(
        m,
        "notice",
        text("title", 200),
        sa.Column("text", sa.Text),
        ref("person.id", "author_id"),
        moment("from"),
        moment("until"),
    )
    after(m, "CREATE VIEW average AS SELECT pupil_id, avg(points) AS points FROM result GROUP BY pupil_id")

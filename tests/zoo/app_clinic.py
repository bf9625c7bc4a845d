"""A whole application: a clinic."""

import sqlalchemy as sa

from . import case
from .app_pieces import CONVENTION, flag, link, model, moment, ref, text, whole


@case(naming_convention=CONVENTION)
def app_clinic(m):
    sex = sa.Enum("f", "m", "x", name="sex", metadata=m)
    state = sa.Enum("booked", "arrived", "done", "missed", "cancelled", name="visit_state", metadata=m)
    blood = sa.Enum("0", "A", "B", "AB", name="blood", native_enum=False, create_constraint=True)
    model(m, "insurer", text("name", unique=True), text("code", 9, unique=True))
    patient = model(
        m,
        "patient",
        text("number", 12, unique=True),
        text("first_name", 60),
        text("last_name", 60),
        sa.Column("born", sa.Date, nullable=False),
        sa.Column("sex", sex),
        sa.Column("blood", blood),
        sa.Column("rhesus", sa.Boolean),
        ref("insurer.id", null=True),
        text("insurance_number", 20, nullable=True),
        sa.Column("died", sa.Date),
        flag("is_private"),
        sa.UniqueConstraint("insurer_id", "insurance_number"),
        sa.CheckConstraint("died IS NULL OR died >= born", name="life"),
        sa.Index(None, "last_name", "first_name", "born"),
        comment="Read § 203 first",
    )
    sa.Index("ix_patient_name_lower", sa.func.lower(patient.c.last_name)).ddl_if(
        dialect=("sqlite", "postgresql")
    )
    model(
        m,
        "department",
        text("name", unique=True),
        ref("department.id", "parent_id", null=True),
        sa.Column("head_id", sa.ForeignKey("staff.id", use_alter=True, name="fk_department_head")),
    )
    model(
        m,
        "staff",
        ref("department.id"),
        text("name"),
        text("title", 20, nullable=True),
        text("licence", 20, nullable=True, unique=True),
        flag("is_doctor"),
        sa.CheckConstraint("licence IS NOT NULL OR NOT is_doctor", name="licence"),
    )
    model(m, "speciality", text("name", unique=True))
    link(m, "staff_speciality", "staff.id", "speciality.id", sa.Column("since", sa.Date))
    model(
        m,
        "room",
        ref("department.id"),
        text("number", 10),
        whole("beds", 0),
        sa.UniqueConstraint("department_id", "number"),
    )
    model(
        m,
        "bed",
        ref("room.id", ondelete="CASCADE"),
        sa.Column("number", sa.SmallInteger, nullable=False),
        sa.UniqueConstraint("room_id", "number"),
    )
    model(
        m,
        "shift",
        ref("staff.id"),
        moment("starts", nullable=False),
        moment("ends", nullable=False),
        sa.CheckConstraint("starts < ends", name="period"),
        sa.Index(None, "staff_id", "starts"),
    )
    visit = model(
        m,
        "visit",
        ref("patient.id"),
        ref("staff.id"),
        ref("room.id", null=True),
        moment("at", nullable=False, index=True),
        whole("minutes", 15),
        sa.Column("state", state, nullable=False, server_default="booked"),
        sa.Column("reason", sa.Text),
        moment("created_at", now=True),
        sa.CheckConstraint("minutes IN (5, 10, 15, 30, 60)", name="minutes"),
    )
    sa.Index(
        "uq_visit_staff_at",
        visit.c.staff_id,
        visit.c.at,
        unique=True,
        postgresql_where=visit.c.state != "cancelled",
        sqlite_where=visit.c.state != "cancelled",
    )
    model(
        m,
        "stay",
        ref("patient.id"),
        ref("bed.id"),
        moment("since", nullable=False),
        moment("until"),
        sa.CheckConstraint("until > since", name="period"),
    )
    sa.Table(
        "diagnosis",
        m,
        sa.Column("code", sa.String(8), primary_key=True),
        text("name", 250),
        sa.Column("parent_code", sa.ForeignKey("diagnosis.code"), index=True),
    )
    model(
        m,
        "finding",
        ref("visit.id"),
        sa.Column("diagnosis_code", sa.ForeignKey("diagnosis.code"), nullable=False, index=True),
        flag("is_certain"),
        sa.Column("text", sa.Text),
    )
    model(
        m,
        "drug",
        text("name", 200, index=True),
        text("form", 40),
        sa.Column("strength", sa.Numeric(10, 3)),
        text("unit", 10, server_default="mg"),
        flag("is_narcotic"),
    )
    model(
        m,
        "prescription",
        ref("visit.id"),
        ref("staff.id"),
        moment("at", now=True),
        sa.Column("signature", sa.LargeBinary(64)),
    )
    sa.Table(
        "prescription_line",
        m,
        sa.Column("prescription_id", sa.ForeignKey("prescription.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("line", sa.SmallInteger, primary_key=True, autoincrement=False),
        ref("drug.id"),
        text("dose", 40, server_default="1-0-1"),
        sa.Column("days", sa.SmallInteger),
    )
    sa.Table(
        "interaction",
        m,
        sa.Column("drug_id", sa.ForeignKey("drug.id"), primary_key=True),
        sa.Column("other_id", sa.ForeignKey("drug.id"), primary_key=True, index=True),
        text("effect", 250),
        sa.CheckConstraint("drug_id < other_id", name="order"),
    )
    model(
        m,
        "allergy",
        ref("patient.id", ondelete="CASCADE"),
        ref("drug.id", null=True),
        text("substance", nullable=True),
        sa.Column("severity", sa.SmallInteger, server_default="1"),
        sa.CheckConstraint("drug_id IS NOT NULL OR substance IS NOT NULL", name="something"),
    )
    model(m, "laboratory", text("name", unique=True))
    model(
        m,
        "sample",
        ref("visit.id"),
        ref("laboratory.id"),
        text("barcode", 20, unique=True),
        moment("taken_at", now=True),
    )
    sa.Table(
        "value",
        m,
        sa.Column("sample_id", sa.ForeignKey("sample.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("analyte", sa.String(20), primary_key=True),
        sa.Column("value", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("is_normal", sa.Boolean, sa.Computed("value >= low AND value <= high", persisted=True)),
    )
    model(
        m,
        "image",
        ref("visit.id"),
        text("modality", 4),
        text("path", 250),
        sa.Column("uid", sa.Uuid, unique=True),
        sa.Column("header", sa.JSON),
    )
    model(
        m,
        "consent",
        ref("patient.id"),
        text("kind", 40),
        moment("given_at", now=True),
        moment("revoked_at"),
        sa.UniqueConstraint("patient_id", "kind", "given_at"),
    )
    model(
        m,
        "bill",
        ref("patient.id"),
        ref("insurer.id", null=True),
        text("number", 20, unique=True),
        sa.Column("day", sa.Date, server_default=sa.func.current_date()),
    )
    model(
        m,
        "access_log",
        ref("staff.id"),
        ref("patient.id"),
        moment("at", now=True),
        text("why", 120),
        sa.Index(None, "patient_id", "at"),
    )

"""A revision says an operation where that sends the very statement, else the statement."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from flask_schemaflow.mending import Script, Step
from flask_schemaflow.scripts import as_python

SAID = {
    "ALTER TABLE t ADD COLUMN a character varying(20)": "op.add_column('t', sa.Column('a', sa.String(20)))",
    "ALTER TABLE t ADD COLUMN a integer DEFAULT 5 NOT NULL": "op.add_column('t', sa.Column('a', sa.Integer(), server_default=sa.text('5'), nullable=False))",
    "ALTER TABLE t ALTER COLUMN a TYPE integer USING a::integer": "op.alter_column('t', 'a', type_=sa.Integer(), postgresql_using='a::integer')",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT 'x'::text": """op.alter_column('t', 'a', server_default=sa.text("'x'::text"))""",
    'ALTER TABLE shop."T" ALTER COLUMN "A" DROP NOT NULL': "op.alter_column('T', 'A', nullable=True, schema='shop')",
    "ALTER TABLE t ADD CONSTRAINT c CHECK ((a > 0))": "op.create_check_constraint(op.f('c'), 't', sa.text('(a > 0)'))",
    "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES p(id) ON DELETE CASCADE": "op.create_foreign_key(op.f('f'), 't', 'p', ['a'], ['id'], ondelete='CASCADE')",
    "CREATE UNIQUE INDEX i ON t USING btree (a, b)": "op.create_index(op.f('i'), 't', ['a', 'b'], unique=True)",
    "ALTER TABLE t RENAME COLUMN a TO b": "op.alter_column('t', 'a', new_column_name='b')",
    "DROP TABLE t": "op.drop_table('t')",
}
NOT_SAID = (
    "CREATE INDEX i ON t USING btree (a DESC)",
    "CREATE INDEX i ON t USING hash (a)",
    "ALTER TABLE t ADD COLUMN a interval day to second",
    "ALTER TABLE t ADD CONSTRAINT c CHECK ((a > 0)) NOT VALID",
    "ALTER TABLE t ADD UNIQUE (a)",
    "ALTER TABLE t ALTER COLUMN a SET DEFAULT ':b'",
)
POSTGRESQL = sa.make_url("postgresql+psycopg://").get_dialect()()


def written(statement: str) -> str:
    return as_python(Script(steps=(Step(statements=(statement,)),)), POSTGRESQL)


@pytest.mark.parametrize("statement", SAID)
def test_an_operation_says_it(statement: str) -> None:
    """The operation was seen to send just this."""
    assert written(statement) == SAID[statement]


@pytest.mark.parametrize("statement", NOT_SAID)
def test_the_statement_says_it_itself(statement: str) -> None:
    """Where an operation would send something else, or an expression would be read as a parameter, none is used."""
    assert written(statement).startswith("op.execute(")

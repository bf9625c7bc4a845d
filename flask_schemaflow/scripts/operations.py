"""Write a statement as the Alembic operation that sends it, where there is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..baseline import sent_by

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

_N = r'(?:"(?:[^"]|"")+"|`[^`]+`|\w+)'
_T = rf"(?:(?P<schema>{_N})\.)?(?P<table>{_N})"
_C = rf"(?P<column>{_N})"
_LIST = rf"\((?P<columns>{_N}(?:, {_N})*)\)"
_FOUND = re.Match[str]


def as_operation(statement: str, dialect: Dialect) -> str | None:
    """Write an operation that sends just this statement; None where none is known. Pure."""
    for pattern, write in _PATTERNS:
        found = pattern.match(statement)
        if found is None:
            continue
        for code, wanted in write(found, statement):
            sent = sent_by(code, dialect)
            if sent is not None and [_plain(each) for each in sent] == [_plain(wanted)]:
                return code
    return None


def _plain(sql: str) -> str:
    """Leave away what says nothing: white space at brackets, and the method that an index has anyway."""
    return re.sub(r"\s*([(),])\s*", r"\1", " ".join(sql.replace(" USING btree", "").split()))


Ways = Iterator[tuple[str, str]]
"""Code, and the statement that it has to send."""


def _name(text: str | None) -> str:
    """Write a name as a Python text."""
    bare = text or ""
    if bare[:1] in ('"', "`"):
        bare = bare[1:-1].replace('""', '"')
    return repr(bare)


def _names(listed: str) -> str:
    return f"[{', '.join(_name(each) for each in re.findall(_N, listed))}]"


def _schema(found: _FOUND) -> str:
    return f", schema={_name(found['schema'])}" if found["schema"] else ""


def _simply(template: str) -> Callable[[_FOUND, str], Ways]:
    """Fill names into a template; ``{t}`` is the table, ``{c}`` the column, ``{n}`` the other name."""

    def write(found: _FOUND, statement: str) -> Ways:
        groups = found.groupdict()
        code = template.format(
            t=_name(found["table"]),
            c=_name(groups.get("column")),
            n=_name(groups.get("name")),
            columns=_names(groups.get("columns") or ""),
            text=repr(groups.get("text") or ""),
            s=_schema(found),
        )
        yield code, statement

    return write


def _index(found: _FOUND, statement: str) -> Ways:
    unique = ", unique=True" if found["unique"] else ""
    columns = _names(found["columns"])
    yield (
        f"op.create_index(op.f({_name(found['name'])}), {_name(found['table'])}, {columns}"
        f"{unique}{_schema(found)})",
        statement,
    )


def _foreign_key(found: _FOUND, statement: str) -> Ways:
    parts = [
        f"op.f({_name(found['name'])})",
        _name(found["table"]),
        _name(found["to"]),
        _names(found["columns"]),
        _names(found["references"]),
    ]
    parts.extend(f"on{word}={found[word]!r}" for word in ("update", "delete") if found[word])
    if found["schema"]:
        parts.append(f"source_schema={_name(found['schema'])}")
    if found["to_schema"]:
        parts.append(f"referent_schema={_name(found['to_schema'])}")
    yield f"op.create_foreign_key({', '.join(parts)})", statement


def _retyped(found: _FOUND, statement: str) -> Ways:
    type_ = _type(found["type"])
    if type_ is None:
        return
    python, sql = type_
    using = f", postgresql_using={found['using']!r}" if found["using"] else ""
    place = f"{_name(found['table'])}, {_name(found['column'])}"
    code = f"op.alter_column({place}, type_={python}{using}{_schema(found)})"
    yield code, statement.replace(f"TYPE {found['type']}", f"TYPE {sql}", 1)


def _added(found: _FOUND, statement: str) -> Ways:
    type_ = _type(found["type"])
    if type_ is None:
        return
    python, sql = type_
    parts = [_name(found["column"]), python]
    if found["default"]:
        parts.append(f"server_default=sa.text({found['default']!r})")
    if found["not_null"]:
        parts.append("nullable=False")
    code = f"op.add_column({_name(found['table'])}, sa.Column({', '.join(parts)}){_schema(found)})"
    yield code, statement.replace(found["type"], sql, 1)


def _renamed(found: _FOUND, statement: str) -> Ways:
    place = f"{_name(found['table'])}, {_name(found['column'])}"
    code = f"op.alter_column({place}, new_column_name={_name(found['name'])}{_schema(found)})"
    yield code, statement.replace(" RENAME COLUMN ", " RENAME ", 1)


# As PostgreSQL writes them: what SQLAlchemy calls them, and what it sends.
_TYPES = {
    "smallint": ("sa.SmallInteger()", "SMALLINT"),
    "integer": ("sa.Integer()", "INTEGER"),
    "bigint": ("sa.BigInteger()", "BIGINT"),
    "text": ("sa.Text()", "TEXT"),
    "boolean": ("sa.Boolean()", "BOOLEAN"),
    "date": ("sa.Date()", "DATE"),
    "timestamp without time zone": ("sa.DateTime()", "TIMESTAMP WITHOUT TIME ZONE"),
    "timestamp with time zone": ("sa.DateTime(timezone=True)", "TIMESTAMP WITH TIME ZONE"),
    "character varying": ("sa.String()", "VARCHAR"),
    "json": ("sa.JSON()", "JSON"),
}
_WITH_NUMBERS = re.compile(r"(character varying|numeric)\((\d+)(?:,(\d+))?\)\Z")


def _type(text: str) -> tuple[str, str] | None:
    found = _WITH_NUMBERS.match(text)
    if found is None:
        return _TYPES.get(text)
    if found[1] == "numeric":
        return f"sa.Numeric({found[2]}, {found[3] or 0})", f"NUMERIC({found[2]}, {found[3] or 0})"
    return f"sa.String({found[2]})", f"VARCHAR({found[2]})"


_ACTION = r"(?:CASCADE|SET NULL|SET DEFAULT|RESTRICT)"
_ALTER = rf"ALTER TABLE {_T}"
_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[_FOUND, str], Ways]], ...] = tuple(
    (re.compile(rf"{pattern}\Z", re.DOTALL), write)
    for pattern, write in (
        (rf"DROP TABLE {_T}", _simply("op.drop_table({t}{s})")),
        (rf"{_ALTER} RENAME TO (?P<name>{_N})", _simply("op.rename_table({t}, {n}{s})")),
        (
            rf"{_ALTER} RENAME COLUMN {_C} TO (?P<name>{_N})",
            _renamed,
        ),
        (rf"{_ALTER} DROP COLUMN {_C}", _simply("op.drop_column({t}, {c}{s})")),
        (
            rf"{_ALTER} ADD COLUMN {_C} (?P<type>.+?)(?: DEFAULT (?P<default>.+?))?(?P<not_null> NOT NULL)?",
            _added,
        ),
        (
            rf"{_ALTER} ALTER COLUMN {_C} SET NOT NULL",
            _simply("op.alter_column({t}, {c}, nullable=False{s})"),
        ),
        (
            rf"{_ALTER} ALTER COLUMN {_C} DROP NOT NULL",
            _simply("op.alter_column({t}, {c}, nullable=True{s})"),
        ),
        (
            rf"{_ALTER} ALTER COLUMN {_C} DROP DEFAULT",
            _simply("op.alter_column({t}, {c}, server_default=None{s})"),
        ),
        (
            rf"{_ALTER} ALTER COLUMN {_C} SET DEFAULT (?P<text>.+)",
            _simply("op.alter_column({t}, {c}, server_default=sa.text({text}){s})"),
        ),
        (rf"{_ALTER} ALTER COLUMN {_C} TYPE (?P<type>.+?)(?: USING (?P<using>.+))?", _retyped),
        (rf"{_ALTER} DROP CONSTRAINT (?P<name>{_N})", _simply("op.drop_constraint(op.f({n}), {t}{s})")),
        (
            rf"{_ALTER} ADD CONSTRAINT (?P<name>{_N}) UNIQUE {_LIST}",
            _simply("op.create_unique_constraint(op.f({n}), {t}, {columns}{s})"),
        ),
        (
            rf"{_ALTER} ADD CONSTRAINT (?P<name>{_N}) CHECK \((?P<text>.+)\)",
            _simply("op.create_check_constraint(op.f({n}), {t}, sa.text({text}){s})"),
        ),
        (
            rf"{_ALTER} ADD CONSTRAINT (?P<name>{_N}) FOREIGN KEY {_LIST} REFERENCES "
            rf"(?:(?P<to_schema>{_N})\.)?(?P<to>{_N}) ?\((?P<references>[^()]+)\)"
            rf"(?: ON UPDATE (?P<update>{_ACTION}))?(?: ON DELETE (?P<delete>{_ACTION}))?",
            _foreign_key,
        ),
        (
            rf"CREATE (?P<unique>UNIQUE )?INDEX (?P<name>{_N}) ON {_T}(?: USING btree)? {_LIST}",
            _index,
        ),
    )
)

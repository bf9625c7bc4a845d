"""Write names, columns and comments as PostgreSQL takes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql

from .changes import Action, Phase

if TYPE_CHECKING:
    from ..snapshot import Object, Part

_PREPARER = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]
_PREPARER._double_percents = False  # that is for drivers, and these statements are for the engine


def quoted(name: str | None) -> str:
    """Write a name, with quotes where it needs them."""
    return str(_PREPARER.quote(name or ""))


def written(thing: Object) -> str:
    """Write the name of an object, with its schema where that is not the default one."""
    return beside(thing, thing.name)


def beside(thing: Object, name: str | None) -> str:
    """Write the name of what is in the same schema as an object."""
    return quoted(name) if thing.schema is None else f"{quoted(thing.schema)}.{quoted(name)}"


def literal(text: str) -> str:
    """Write a text as a constant."""
    return ("E" if "\\" in text else "") + "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def alter(table: Object, clause: str) -> str:
    """Write ``ALTER TABLE``."""
    return f"ALTER TABLE {written(table)} {clause}"


_ON_DEFAULT = re.compile(r"(?P<on> ON (?:ONLY )?)(?:\"(?:[^\"]|\"\")+\"|\w+)\.")


def in_default_schema(definition: str, thing: Object) -> str:
    """Take away the schema after ``ON``, which the engine writes even where it is the default one.

    An index of a partitioned table belongs to its partitions too, which the engine's text leaves out.
    """
    if "partition-by" in thing.facts:
        definition = definition.replace(" ON ONLY ", " ON ", 1)
    return definition if thing.schema is not None else _ON_DEFAULT.sub(r"\g<on>", definition, count=1)


_NAME = re.compile(r'"(?:[^"]|"")+"|[^,\s"]+')


def names_in(listed: str | None) -> list[str]:
    """Read a list of columns as snapshots write it."""
    found = _NAME.findall(listed or "")
    return [each[1:-1].replace('""', '"') if each.startswith('"') else each for each in found]


def mentions(text: str, name: str) -> bool:
    """Say whether a text may speak of a column; a word that only looks like it does no harm."""
    bare = re.escape(name)
    in_quotes = re.escape('"' + name.replace('"', '""') + '"')
    return re.search(rf"(?<![\w$\"]){bare}(?![\w$\"])|{in_quotes}", text) is not None


def texts_of(part: Part) -> list[str]:
    """Give all texts of a part that may speak of columns."""
    return [part.definition, *(part.facts.get(fact, "") for fact in ("using", "with-check"))]


# -- columns ---------------------------------------------------------------------------------------


def type_of(column: Part) -> str:
    """Write the type, with its collation where that is not the type's own."""
    collation = column.facts.get("collation")
    return column.facts["type"] + (f" COLLATE {collation}" if collation else "")


def default_of(column: Part) -> str | None:
    """Give the default as it can be set; None where there is none."""
    if "default" not in column.facts:
        return None
    return column.definition or column.facts["default"]


def identity_of(column: Part) -> str:
    """Write ``GENERATED … AS IDENTITY`` with the options of its sequence."""
    kind = "ALWAYS" if column.facts["autoincrement"] == "identity always" else "BY DEFAULT"
    options = column.facts.get("sequence")
    return f"GENERATED {kind} AS IDENTITY" + (f" ({options})" if options else "")


def column_line(column: Part, *, nullable: bool | None = None, default: str | None = None) -> str:
    """Write a column as in ``CREATE TABLE``.

    :param nullable: say it in this way, whatever the column says.
    :param default: the one that counts, for a serial column.
    """
    default = default or default_of(column)
    pieces = [quoted(column.name), plain_serial(column) or type_of(column)]
    if "generated" in column.facts:
        pieces.append(f"GENERATED ALWAYS AS {column.facts['generated']}")
    elif default is not None:
        pieces.append(f"DEFAULT {_grouped(default)}")
    elif column.facts.get("autoincrement", "").startswith("identity"):
        pieces.append(identity_of(column))
    is_nullable = column.facts.get("nullable") != "no" if nullable is None else nullable
    return " ".join([*pieces, *([] if is_nullable else ["NOT NULL"])])


_SERIALS = {"smallint": "SMALLSERIAL", "integer": "SERIAL", "bigint": "BIGSERIAL"}


def plain_serial(column: Part) -> str | None:
    """Give the word for a column that counts by a sequence which is nothing special, None for any other."""
    is_plain = column.facts.get("autoincrement") == "serial" and not {"sequence", "sequence-type"} & {
        *column.facts
    }
    return _SERIALS.get(column.facts["type"]) if is_plain else None


_SIMPLE = re.compile(r"'(?:[^']|'')*'(?:::[\w \[\]\".()]+)?\Z|[\w.]+(?:\(\))?\Z")


def _grouped(expression: str) -> str:
    return expression if _SIMPLE.match(expression) else f"({expression})"


def columns_of(table: Object) -> dict[str, Part]:
    """Give the columns by name."""
    return {each.name or "": each for each in table.parts if each.kind == "column"}


# -- comments --------------------------------------------------------------------------------------

_OF_TABLE = frozenset("check exclude foreign-key primary-key unique".split())


def comment_on(thing: Object, part: Part | None, text: str | None) -> str:
    """Write ``COMMENT ON``; None takes a comment away."""
    value = "NULL" if text is None else literal(text)
    if part is None:
        kind = thing.kind.removesuffix("-type").replace("-", " ").upper()
        kind = "TYPE" if thing.kind in ("enum", "range", "composite-type") else kind
        return f"COMMENT ON {kind} {called(thing)} IS {value}"
    if part.kind == "column":
        return f"COMMENT ON COLUMN {written(thing)}.{quoted(part.name)} IS {value}"
    if part.kind == "index":
        return f"COMMENT ON INDEX {beside(thing, part.name)} IS {value}"
    kind = "CONSTRAINT" if part.kind in _OF_TABLE else part.kind.upper()
    of = "DOMAIN " if thing.kind == "domain" else ""
    return f"COMMENT ON {kind} {quoted(part.name)} ON {of}{written(thing)} IS {value}"


def called(thing: Object) -> str:
    """Write the name of a function with its arguments, that of anything else alone."""
    if thing.kind not in ("function", "procedure", "aggregate"):
        return written(thing)
    name, _, arguments = thing.name.partition("(")
    return f"{beside(thing, name)}({arguments}"


def comments(thing: Object, part: Part | None = None) -> Iterator[Action]:
    """Write the comment that a new thing has."""
    text = (thing if part is None else part).facts.get("comment")
    if text is not None:
        yield Action(phase=Phase.COMMENTS, statements=(comment_on(thing, part, text),))

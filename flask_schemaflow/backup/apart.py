"""Rewrite the dump of single tables so that it makes new ones beside those that are there.

Both programs write a statement's head at the beginning of a line, and no line break inside a value. What
is not known to be harmless is left out, so that nothing can reach a real table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import Refused

Names = dict[tuple[str | None, str], str]

_KEPT_POSTGRESQL = re.compile(rb"SET |SELECT pg_catalog\.set_config\(|--|\\(?:un)?restrict |\s*$")
_KEPT_MYSQL = re.compile(rb"/\*!\d+ SET |/\*M!|--|\s*$")


def new_names(tables: Iterable[tuple[str | None, str]], made: str, *, longest: int) -> Names:
    """Make up the names of the new tables.

    :param made: the time, as part of the names.
    :param longest: how many bytes a name may have.
    """
    ending = f"__restored_{made}".lower()
    names = {}
    for number, table in enumerate(tables):
        name = table[1] + ending
        if len(name.encode()) > longest:
            ending_here = f"_{number}{ending}"
            start = table[1].encode()[: longest - len(ending_here)].decode(errors="ignore")
            name = start + ending_here
        names[table] = name
    return names


# -- PostgreSQL ------------------------------------------------------------------------------------


def rewrite_postgresql(script: Path, target: Path, names: Names) -> None:
    """Rewrite what ``pg_restore`` writes of the tables and their rows.

    :raises Refused: it has a form that is not known.
    """
    heads = {
        f"{schema}.{name}".encode(): ".".join(map(_quoted, (table[0] or "", new))).encode()
        for table, new in names.items()
        for schema in _spellings(table[0] or "")
        for name in _spellings(table[1])
    }
    made: list[bytes] = []
    with script.open("rb") as lines, target.open("wb") as out:
        out.writelines(_renamed_postgresql(lines, heads, made))
    _check_made(made, names)


def _renamed_postgresql(
    lines: Iterable[bytes], heads: dict[bytes, bytes], made: list[bytes]
) -> Iterator[bytes]:
    lines = iter(lines)
    for line in lines:
        if found := re.match(rb"(CREATE (?:UNLOGGED )?TABLE |COPY )", line):
            head, new = _head(line, len(found[1]), heads)
            first = found[1] + new + line[len(found[1]) + len(head) :]
            if found[1] == b"COPY ":
                yield first
                yield from _rows(lines)
            else:
                made.append(new)
                yield _definition(first, lines)
        elif _KEPT_POSTGRESQL.match(line):
            yield line


def _rows(lines: Iterator[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield line
        if line.rstrip() == b"\\.":
            return


_TEXT_OR_NAME = re.compile(rb"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")


def _definition(first: bytes, lines: Iterator[bytes]) -> bytes:
    """Give a whole ``CREATE TABLE``; its defaults and names may have line breaks and semicolons."""
    statement, bare = first, _TEXT_OR_NAME.sub(b"", first)
    while re.search(rb"['\"]", bare) or not _STATEMENT_ENDS.search(bare):
        line = next(lines, None)
        if line is None:
            raise Refused(
                "The dump ends in the middle of a CREATE TABLE: it is not whole. Nothing was changed."
            )
        statement += line
        bare = _TEXT_OR_NAME.sub(b"", statement)
    if re.search(rb"^INHERITS \(", bare, re.MULTILINE):
        raise Refused("A table inherits from another one: restore the backup --into a database.")
    return statement


_STATEMENT_ENDS = re.compile(rb";\s*$")


def _head(line: bytes, start: int, heads: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    for head, new in heads.items():
        if line.startswith(head + b" (", start):
            return head, new
    raise Refused(f"The dump has a statement of another table: {line[:80].decode(errors='replace').strip()}")


def _spellings(name: str) -> tuple[str, str]:
    return (name, _quoted(name))


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))


# -- MariaDB and MySQL -----------------------------------------------------------------------------


def rewrite_mysql(script: Path, target: Path, names: Names) -> None:
    """Rewrite a dump of tables; foreign keys and triggers are left out, since their names are taken.

    :raises Refused: it has a form that is not known.
    """
    heads = {_backticked(table[1]): _backticked(new) for table, new in names.items()}
    made: list[bytes] = []
    with script.open("rb") as lines, target.open("wb") as out:
        out.writelines(_renamed_mysql(lines, heads, made))
    _check_made(made, names)


def _renamed_mysql(lines: Iterable[bytes], heads: dict[bytes, bytes], made: list[bytes]) -> Iterator[bytes]:
    lines = iter(lines)
    for line in lines:
        if line.startswith(b"DELIMITER ;;"):
            for skipped in lines:
                if skipped.startswith(b"DELIMITER ;"):
                    break
        elif found := re.match(rb"(CREATE TABLE |INSERT INTO )", line):
            head, new = _head(line, len(found[1]), heads)
            first = found[1] + new + line[len(found[1]) + len(head) :]
            statement = _statement(first, lines)
            if found[1] == b"CREATE TABLE ":
                made.append(new)
                statement = iter(_without_foreign_keys([*statement]))
            yield from statement
        elif _KEPT_MYSQL.match(line):
            yield line


def _statement(first: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    line = first
    while not _STATEMENT_ENDS.search(line):
        line = next(lines, b";")
        yield line


def _without_foreign_keys(statement: list[bytes]) -> list[bytes]:
    end = next(number for number, line in enumerate(statement) if line.startswith(b")"))
    body = [line for line in statement[1:end] if not re.match(rb"  CONSTRAINT .* FOREIGN KEY \(", line)]
    body[-1] = body[-1].rstrip(b"\n").removesuffix(b",") + b"\n"
    return [statement[0], *body, *statement[end:]]


def _backticked(name: str) -> bytes:
    return "`{}`".format(name.replace("`", "``")).encode()


def _check_made(made: list[bytes], names: Names) -> None:
    if len(made) != len(names):
        raise Refused(f"The dump has {len(made)} of the {len(names)} tables that it should have.")

"""Read raw DDL: ALTER TABLE and its kin, on every engine.

sqlglot leaves half of it unread, and forgets some of what it reads (GENERATED … STORED, which function a
default calls); what is dangerous is in these words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from ..revisions import TableName
from .ddl_columns import alter_column, change_column, column_in, key_in, modify_column
from .effect import (
    NOWHERE,
    AddsColumn,
    AddsKey,
    CreatesTable,
    Does,
    DropsColumn,
    DropsPart,
    DropsTable,
    Effect,
    EmptiesTable,
    MakesEnum,
    MakesIndex,
    NamesTwice,
    RenamesColumn,
    RenamesTable,
    Validates,
    twice,
)
from .words import NotUnderstood, Token, Words, split_at_commas, unquoted, written


def effects_of_ddl(tokens: Sequence[Token]) -> tuple[Effect, ...] | None:
    """Say what one statement does; None where it is not DDL that is known here."""
    words = Words(tokens)
    for start, way in _STATEMENTS:
        if words.take(*start):
            try:
                return tuple(way(words))
            except NotUnderstood:
                return None
    return None


# -- ALTER TABLE -----------------------------------------------------------------------------------


def _alter_table(words: Words) -> Iterator[Effect]:
    words.take("IF", "EXISTS")
    words.take("ONLY")
    table = words.table()
    words.take("*")
    for part in split_at_commas(words.rest()):
        action = Words(part)
        for start, way in _ACTIONS:
            if action.take(*start):
                yield from way(action, table)
                break
        else:
            raise NotUnderstood


def _add(words: Words, table: TableName) -> Iterator[Effect]:
    key = key_in(words)
    if key is not None:
        yield AddsKey(table, key)
    elif words.take("INDEX|KEY") or words.take("FULLTEXT|SPATIAL"):
        words.take("INDEX|KEY")
        name = "" if words.sees("(") else words.name()
        columns, elements = words.columns()
        yield MakesIndex(table, "index", name, columns=columns, elements=elements)
    else:
        words.take("COLUMN")
        exists = words.take("IF", "NOT", "EXISTS")
        parts = split_at_commas(words.group()) if words.sees("(") else [words.rest()]
        for part in parts:
            said = column_in(Words(part))
            yield AddsColumn(table, said.name, said=said, if_not_exists=exists)


def _drop(words: Words, table: TableName) -> Iterator[Effect]:
    if words.take("PRIMARY", "KEY"):
        yield DropsPart(table, "primary-key", "PRIMARY")
        return
    kind = "column"
    for start, found in _PARTS:
        if words.take(*start):
            kind = found
            break
    words.take("IF", "EXISTS")
    name = words.name()
    yield DropsColumn(table, name) if kind == "column" else DropsPart(table, kind, name)
    if words.take("CASCADE"):
        yield Does(table, "drop-cascade", name)


_PARTS = (
    (("FOREIGN", "KEY"), "foreign-key"),
    (("CONSTRAINT",), "constraint"),
    (("CHECK",), "check"),
    (("INDEX|KEY",), "index"),
    (("COLUMN",), "column"),
)


def _rename(words: Words, table: TableName) -> Iterator[Effect]:
    if words.take("TO|AS"):
        to = words.table()
        yield RenamesTable(table, replace(to, schema=to.schema or table.schema))
    elif not words.take("CONSTRAINT|INDEX|KEY"):
        words.take("COLUMN")
        name = words.name()
        words.need("TO")
        yield RenamesColumn(table, name, words.name())


def _validate(words: Words, table: TableName) -> Iterator[Effect]:
    yield Validates(table, words.name())


def _set_schema(words: Words, table: TableName) -> Iterator[Effect]:
    yield RenamesTable(table, TableName(words.name(), table.name))


def _detach(words: Words, table: TableName) -> Iterator[Effect]:
    name = words.table().name
    if not words.sees("CONCURRENTLY|FINALIZE"):
        yield Does(table, "detach-partition-non-concurrently", name)


def _lock(words: Words, table: TableName) -> Iterator[Effect]:
    words.take("=")
    how = words.token().said
    if how in ("SHARED", "EXCLUSIVE"):
        yield Does(table, "mysql-lock-shared-exclusive", how)


def _does(what: str) -> Callable[[Words, TableName], Iterator[Effect]]:
    def way(words: Words, table: TableName) -> Iterator[Effect]:
        words.take("=")
        yield Does(table, what, words.here.text if words.here else "")

    return way


def _nothing(_words: Words, _table: TableName) -> Iterator[Effect]:
    return iter(())


Action = Callable[[Words, TableName], Iterator[Effect]]
_ACTIONS: tuple[tuple[tuple[str, ...], Action], ...] = (
    (("ADD",), _add),
    (("DROP",), _drop),
    (("ALTER", "INDEX|CONSTRAINT|CHECK"), _nothing),
    (("ALTER",), alter_column),
    (("MODIFY",), modify_column),
    (("CHANGE",), change_column),
    (("RENAME",), _rename),
    (("VALIDATE", "CONSTRAINT"), _validate),
    (("SET", "SCHEMA"), _set_schema),
    (("SET", "TABLESPACE"), _does("set-tablespace")),
    (("SET", "LOGGED|UNLOGGED"), _does("set-tablespace")),
    (("DETACH", "PARTITION"), _detach),
    (("CONVERT", "TO"), _does("change-charset-or-collation")),
    (("ENGINE",), _does("mysql-copy-algorithm")),
    (("LOCK",), _lock),
    (("OWNER|ENABLE|DISABLE|FORCE|NO|NOT|REPLICA|RESET|COMMENT|AUTO_INCREMENT|ROW_FORMAT",), _nothing),
    (("ATTACH|CLUSTER|INHERIT|OF|ALGORITHM|DEFAULT|CHARACTER|CHARSET|COLLATE|NOWAIT|WAIT|SET",), _nothing),
)

# -- tables and indexes ----------------------------------------------------------------------------


def _create_table(words: Words) -> Iterator[Effect]:
    exists = words.take("IF", "NOT", "EXISTS")
    table = words.table()
    if not words.sees("(") or words.sees("(", "SELECT|LIKE|WITH"):
        raise NotUnderstood
    columns, keys = [], []
    for part in split_at_commas(words.group()):
        piece = Words(part)
        key = key_in(piece)
        if key is not None:
            keys.append(key)
        elif not piece.sees("INDEX|KEY|FULLTEXT|SPATIAL|LIKE|PERIOD"):
            said = column_in(piece)
            keys += said.keys
            columns.append(replace(said, keys=()))
    if any(token.said in ("SELECT", "AS") for token in words.rest()):
        raise NotUnderstood
    yield CreatesTable(table, if_not_exists=exists, columns_said=tuple(columns), keys=tuple(keys))
    yield from (
        NamesTwice(table, each, declares=True) for each in twice(each.name.lower() for each in columns)
    )


def _create_materialized_view(words: Words) -> Iterator[Effect]:
    # Indexes are built on it, and it has nothing yet that could be in their way.
    exists = words.take("IF", "NOT", "EXISTS")
    yield CreatesTable(words.table(), if_not_exists=exists)


def _create_index(words: Words) -> Iterator[Effect]:
    unique = words.tokens[1].said == "UNIQUE"
    concurrently = words.take("CONCURRENTLY")
    words.take("IF", "NOT", "EXISTS")
    name = "" if words.sees("ON") else words.table().name
    words.until("ON")
    words.need("ON")
    words.take("ONLY")
    table = words.table()
    if words.take("USING"):
        words.name()
    columns, elements = words.columns()
    words.until("WHERE")
    yield MakesIndex(
        table,
        "index",
        name,
        columns=columns,
        elements=elements,
        unique=unique,
        where=written(words.rest()) if words.take("WHERE") else None,
        concurrently=concurrently,
    )


def _drop_index(words: Words) -> Iterator[Effect]:
    concurrently = words.take("CONCURRENTLY")
    words.take("IF", "EXISTS")
    names = list(words.tables())
    table = words.table() if words.take("ON") else NOWHERE
    for name in names:
        yield DropsPart(table, "index", name.name, concurrently=concurrently)
        if words.sees("CASCADE"):
            yield Does(table, "drop-cascade", name.name)


def _drop_table(words: Words) -> Iterator[Effect]:
    exists = words.take("IF", "EXISTS")
    tables = list(words.tables())
    for table in tables:
        if words.sees("CASCADE"):
            yield Does(table, "drop-cascade", table.name)
        yield DropsTable(table, if_exists=exists)


def _truncate(words: Words) -> Iterator[Effect]:
    words.take("TABLE")
    words.take("ONLY")
    tables = list(words.tables())
    cascades = any(token.said == "CASCADE" for token in words.rest())
    for table in tables:
        yield EmptiesTable(table)
        if cascades:
            yield Does(table, "truncate-cascade")


def _drop_trigger(words: Words) -> Iterator[Effect]:
    words.take("IF", "EXISTS")
    yield DropsPart(NOWHERE, "trigger", words.table().name)


def _drop_schema(words: Words) -> Iterator[Effect]:
    words.take("IF", "EXISTS")
    for name in words.tables():
        yield Does(NOWHERE, "drop-schema", name.name)


def _drop_other(words: Words) -> Iterator[Effect]:
    words.take("IF", "EXISTS")
    name = words.table().name
    if any(token.said == "CASCADE" for token in words.rest()):
        yield Does(NOWHERE, "drop-cascade", name)


# -- types, and what is about more than a table ----------------------------------------------------


def _alter_type(words: Words) -> Iterator[Effect]:
    name = words.table().name
    if words.take("ADD", "VALUE"):
        words.take("IF", "NOT", "EXISTS")
        value = unquoted(words.token().text)
        yield Does(NOWHERE, "add-enum-value", value)
        if not words.sees("BEFORE|AFTER"):
            yield Does(NOWHERE, "enum-add-value-unordered", f"{name}.{value}")
    elif words.take("RENAME", "VALUE"):
        yield Does(NOWHERE, "rename-enum-value", f"{name}.{unquoted(words.token().text)}")


def _create_type(words: Words) -> Iterator[Effect]:
    name = words.table().name
    if words.take("AS", "ENUM"):
        values = tuple(unquoted(token.text) for token in words.group() if token.kind == "text")
        yield MakesEnum(NOWHERE, name, values)


def _domain(words: Words) -> Iterator[Effect]:
    name = words.table().name
    rest = Words(words.rest())
    required = rest.take("SET", "NOT", "NULL")
    said = {token.said for token in rest.rest()}
    if "VALIDATE" in said:
        yield Does(NOWHERE, "validated-domain", name)
    elif required or ("ADD" in said and "VALID" not in said):
        yield Does(NOWHERE, "domain-with-constraint", name)


def _create_domain(words: Words) -> Iterator[Effect]:
    name = words.table().name
    said = [token.said for token in words.rest()]
    if "CHECK" in said or ("NOT", "NULL") in pairwise(said):
        yield Does(NOWHERE, "checked-domain", name)


def _alter_schema(words: Words) -> Iterator[Effect]:
    name = words.name()
    if words.take("RENAME"):
        yield Does(NOWHERE, "rename-schema", name)


def _reindex(words: Words) -> Iterator[Effect]:
    options = words.group() if words.sees("(") else []
    kind = words.token().said
    concurrently = words.take("CONCURRENTLY") or any(each.said == "CONCURRENTLY" for each in options)
    name = words.table()
    what = "reindex-concurrently" if concurrently else "reindex-non-concurrently"
    yield Does(name if kind == "TABLE" else NOWHERE, what, name.name)


def _vacuum(words: Words) -> Iterator[Effect]:
    options = [
        [token.said for token in part] for part in split_at_commas(words.group() if words.sees("(") else [])
    ]
    is_full = any(said[0] == "FULL" and not {"FALSE", "OFF", "0"} & {*said} for said in options if said)
    if words.take("FULL") or is_full:
        while words.take("FREEZE|VERBOSE|ANALYZE"):
            pass
        table = words.table() if words.here is not None else NOWHERE
        yield Does(table, "vacuum-full-or-cluster", table.name)


def _cluster(words: Words) -> Iterator[Effect]:
    words.take("VERBOSE")
    table = words.table() if words.here is not None else NOWHERE
    yield Does(table, "vacuum-full-or-cluster", table.name)


def _transaction(words: Words) -> Iterator[Effect]:
    if not words.sees("TO") and not words.sees("WORK|TRANSACTION", "TO") and not words.sees("PREPARED"):
        yield Does(NOWHERE, "transaction-control-in-migration", words.tokens[0].said)


def _set(words: Words) -> Iterator[Effect]:
    words.take("SESSION|LOCAL|GLOBAL")
    if words.here is not None and words.here.said.rpartition(".")[2].lstrip("@") == "SQL_MODE":
        words.token()
        words.take(":")
        words.need("=")
        yield Does(NOWHERE, "sql-mode", " ".join(token.text for token in words.rest()))


Statement = Callable[[Words], Iterator[Effect]]
_STATEMENTS: tuple[tuple[tuple[str, ...], Statement], ...] = (
    (("ALTER", "TABLE"), _alter_table),
    (("CREATE", "TABLE"), _create_table),
    (("CREATE", "UNLOGGED", "TABLE"), _create_table),
    (("CREATE", "MATERIALIZED", "VIEW"), _create_materialized_view),
    (("CREATE", "INDEX"), _create_index),
    (("CREATE", "UNIQUE", "INDEX"), _create_index),
    (("CREATE", "TYPE"), _create_type),
    (("CREATE", "DOMAIN"), _create_domain),
    (("DROP", "INDEX"), _drop_index),
    (("DROP", "TABLE"), _drop_table),
    (("DROP", "TRIGGER"), _drop_trigger),
    (("DROP", "SCHEMA|DATABASE"), _drop_schema),
    (("DROP", "VIEW|TYPE|DOMAIN|SEQUENCE|FUNCTION|PROCEDURE|EXTENSION|AGGREGATE|COLLATION"), _drop_other),
    (("DROP", "MATERIALIZED", "VIEW"), _drop_other),
    (("TRUNCATE",), _truncate),
    (("ALTER", "TYPE"), _alter_type),
    (("ALTER", "DOMAIN"), _domain),
    (("ALTER", "SCHEMA"), _alter_schema),
    (("REINDEX",), _reindex),
    (("VACUUM",), _vacuum),
    (("CLUSTER",), _cluster),
    (("BEGIN|COMMIT|ROLLBACK|END|ABORT",), _transaction),
    (("START", "TRANSACTION"), _transaction),
    (("SET",), _set),
)

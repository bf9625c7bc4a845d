"""Random schemas with rows, and random changes of them: for the same seed always the same."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

TABLES, CHANGES, BY_HAND, ROWS = 50, 32, 8, 4
WIDER = {
    "integer": ("bigint",),
    "string 20": ("string 60", "text"),
    "string 60": ("text",),
    "numeric 8 2": ("numeric 12 2", "numeric 14 4"),
    "enum a b": ("enum a b c", "enum z a b"),
}
OTHER = {
    "integer": ("string 20", "float"),
    "bigint": ("integer", "string 60"),
    "string 60": ("string 20",),
    "text": ("string 60",),
    "boolean": ("integer",),
    "date": ("string 20",),
    "float": ("numeric 14 4",),
    "enum a b": ("string 20", "enum b"),
}
KINDS = (*WIDER, "bigint", "text", "boolean", "date", "float")
DEFAULTS = {
    "integer": ("0", "7"),
    "bigint": ("1", "2"),
    "string 20": ("'x'", "'it''s'"),
    "string 60": ("'y'", "'%'"),
}


@dataclass
class Col:
    """A column; ``kind`` is one of ``KINDS`` or what these become; ``computed`` the column it is one more than."""

    name: str
    kind: str
    nullable: bool = True
    default: str | None = None
    comment: str | None = None
    computed: str | None = None
    stored: bool = True
    is_new: bool = False


@dataclass
class Tab:
    """A table: its columns behind ``id``, and by name its indexes, uniques, checks and keys.

    ``special`` are indexes on an expression, or on some of the rows, of a column.
    """

    name: str
    columns: dict[str, Col] = field(default_factory=dict)
    indexes: dict[str, tuple[list[str], bool]] = field(default_factory=dict)
    special: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    uniques: dict[str, list[str]] = field(default_factory=dict)
    checks: dict[str, tuple[str, int]] = field(default_factory=dict)
    keys: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)
    comment: str | None = None
    is_new: bool = False

    def of(self, *kinds: str) -> list[Col]:
        """Columns of these kinds."""
        return [each for each in self.columns.values() if each.kind in kinds]

    def used(self) -> set[str]:
        """Columns that something else of the table needs."""
        return {
            *(each.computed for each in self.columns.values() if each.computed),
            *(each.name for each in self.columns.values() if each.computed),
            *(name for name, _ in self.special.values()),
            *(name for names, _ in self.indexes.values() for name in names),
            *(name for names in self.uniques.values() for name in names),
            *(name for name, _ in self.checks.values()),
            *(name for name, _, _ in self.keys.values()),
        }

    def free(self, *kinds: str) -> list[Col]:
        """Columns of these kinds (of any, where none is named) that nothing needs, and that have values."""
        return [
            each
            for each in self.columns.values()
            if each.name not in self.used()
            and (not kinds or each.kind in kinds)
            and (self.is_new or not each.is_new)
        ]


ODD = ("{} ", "{}%", "Mixed{}", "{}'", "order")
"""Beginnings of names that have to be quoted somewhere."""

Schema = dict[str, Tab]
Rows = dict[tuple[str, str], list[Any]]
"""The values of a column of a table, row by row."""


class Generator:
    """Makes a schema, and changes to it, out of one seed."""

    def __init__(self, seed: int, dialect: str) -> None:
        self.random = random.Random(seed)
        self.dialect = dialect
        self.serial = 0
        self.accepted: set[str] = set()
        self.told: list[str] = []
        self.gone: set[str] = set()

    def name(self, prefix: str) -> str:
        self.serial += 1
        return self.random.choice((*[prefix] * 9, *ODD)).format(prefix) + str(self.serial)

    # -- schemas -----------------------------------------------------------------------------------

    def schema(self) -> Schema:
        made: Schema = {}
        for _ in range(TABLES):
            table = self.table(made)
            made[table.name] = table
        return made

    def table(self, others: Schema) -> Tab:
        table = Tab(self.name("t"), comment=self.random.choice((None, None, None, "a table")))
        for kind in (*KINDS, *self.random.choices(KINDS, k=4)):
            self.add_column(table, kind)
        for add in (self.add_index, self.add_check, self.add_special, self.add_computed):
            if self.random.random() < 0.5:
                add(table)
        if others and self.random.random() < 0.7:
            self.add_key(table, self.random.choice(list(others)))
        return table

    def add_column(self, table: Tab, kind: str) -> Col:
        nullable = self.random.random() < 0.6
        default = self.random.choice((None, *DEFAULTS.get(kind, ())))
        column = Col(self.name("c"), kind, nullable, default, self.random.choice((*[None] * 9, "it's 100%")))
        table.columns[column.name] = column
        return column

    def add_index(self, table: Tab) -> bool:
        free = table.free("integer", "bigint", "string 20", "date")
        if free:
            names = [
                each.name for each in self.random.sample(free, k=min(len(free), self.random.choice((1, 2))))
            ]
            table.indexes[self.name("ix")] = (names, self.random.random() < 0.3)
        return bool(free)

    def add_special(self, table: Tab) -> bool:
        free = table.free("integer")
        if free and self.dialect != "mysql":
            least = self.random.choice((None, 1, 2))
            table.special[self.name("ix")] = (self.random.choice(free).name, least)
            return True
        return False

    def add_computed(self, table: Tab) -> bool:
        free = table.free("integer")
        if free:
            column = Col(self.name("c"), "integer", computed=self.random.choice(free).name)
            column.stored = self.dialect == "postgresql" or self.random.random() < 0.5
            table.columns[column.name] = column
        return bool(free)

    def add_unique(self, table: Tab) -> bool:
        free = table.free("integer", "bigint", "string 20", "date")
        if free:
            table.uniques[self.name("uq")] = [self.random.choice(free).name]
        return bool(free)

    def add_check(self, table: Tab) -> bool:
        free = table.free("integer", "bigint")
        if free:
            table.checks[self.name("ck")] = (self.random.choice(free).name, -self.random.randint(1, 9))
        return bool(free)

    def add_key(self, table: Tab, other: str) -> bool:
        free = table.free("integer")
        if free:
            ondelete = self.random.choice((None, "CASCADE"))
            table.keys[self.name("fk")] = (self.random.choice(free).name, other, ondelete)
        return bool(free)

    # -- changes -----------------------------------------------------------------------------------

    def changed(self, schema: Schema) -> Schema:
        """Give another schema, that many changes away, half of them on a few tables."""
        after = deepcopy(schema)
        busy = self.random.sample(list(after), k=TABLES // 8)
        number = 0
        while number < CHANGES:
            change = self.random.choice(CHANGES_TO_MODELS)
            table = after[self.random.choice(self.random.choice((busy, list(after))))]
            told = change(self, table, after)
            if told:
                number += 1
                self.told.append(f"{table.name}: {told}")
        return after

    def one(self, found: Any) -> Any:
        found = list(found)
        return self.random.choice(found) if found else None


Change = Callable[[Generator, Tab, Schema], str]


def new_column(make: Generator, table: Tab, _schema: Schema) -> str:
    column = make.add_column(table, make.random.choice(KINDS))
    column.is_new = True
    if not column.nullable and column.default is None and make.random.random() < 0.7:
        column.nullable = True
    return f"column {column.name} added"


def drop_column(make: Generator, table: Tab, _schema: Schema) -> str:
    column = make.one(table.free())
    if column is None:
        return ""
    del table.columns[column.name]
    if make.random.random() < 0.7:
        make.accepted.add(f"drop-column:{table.name}.{column.name}")
        return f"column {column.name} dropped"
    return f"column {column.name} dropped, which nobody accepted"


def widen(make: Generator, table: Tab, _schema: Schema) -> str:
    column = make.one(table.free(*WIDER))
    if column is None:
        return ""
    column.kind, before = make.random.choice(WIDER[column.kind]), column.kind
    if column.kind == "text":
        column.default = None
    return f"column {column.name} from {before} to {column.kind}"


def other_type(make: Generator, table: Tab, _schema: Schema) -> str:
    column = make.one(table.free(*OTHER))
    if column is None:
        return ""
    column.kind, before = make.random.choice(OTHER[column.kind]), column.kind
    column.default = None
    return f"column {column.name} from {before} to {column.kind}"


def nullability(make: Generator, table: Tab, _schema: Schema) -> str:
    column = make.one(each for each in table.columns.values() if not each.computed)
    column.nullable = not column.nullable
    return f"column {column.name} {'NULL' if column.nullable else 'NOT NULL'}"


def default(make: Generator, table: Tab, _schema: Schema) -> str:
    column = make.one(c for c in table.columns.values() if c.kind in DEFAULTS and not c.computed)
    if column is None:
        return ""
    column.default = make.random.choice([d for d in (None, *DEFAULTS[column.kind]) if d != column.default])
    return f"column {column.name} default {column.default}"


def comment(make: Generator, table: Tab, _schema: Schema) -> str:
    thing = make.random.choice((table, *table.columns.values()))
    thing.comment = make.name("comment 'of' ")
    return f"comment of {thing.name}"


def new_index(make: Generator, table: Tab, _schema: Schema) -> str:
    return "index added" if make.add_index(table) else ""


def drop_index(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.indexes)
    return f"index {name} dropped" if name and table.indexes.pop(name) else ""


def other_index(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.indexes)
    if name is None:
        return ""
    names, unique = table.indexes[name]
    table.indexes[name] = (names, not unique)
    return f"index {name} unique: {not unique}"


def renamed_index(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.indexes)
    if name is None:
        return ""
    table.indexes[make.name("ix")] = table.indexes.pop(name)
    return f"index {name} renamed"


def new_special(make: Generator, table: Tab, _schema: Schema) -> str:
    return "special index added" if make.add_special(table) else ""


def other_special(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.special)
    if name is None:
        return ""
    column, least = table.special[name]
    table.special[name] = (column, None if least else 3)
    return f"special index {name} changed"


def new_computed(make: Generator, table: Tab, _schema: Schema) -> str:
    return "computed column added" if make.add_computed(table) else ""


def no_more_computed(make: Generator, table: Tab, _schema: Schema) -> str:
    column = make.one(each for each in table.columns.values() if each.computed and not each.is_new)
    if column is None:
        return ""
    column.computed = None
    return f"column {column.name} no more computed"


def new_unique(make: Generator, table: Tab, _schema: Schema) -> str:
    return "unique added" if make.add_unique(table) else ""


def drop_unique(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.uniques)
    return f"unique {name} dropped" if name and table.uniques.pop(name) else ""


def new_check(make: Generator, table: Tab, _schema: Schema) -> str:
    return "check added" if make.add_check(table) else ""


def other_check(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.checks)
    if name is None:
        return ""
    column, least = table.checks[name]
    table.checks[name] = (column, least - 10)
    return f"check {name} changed"


def drop_check(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.checks)
    return f"check {name} dropped" if name and table.checks.pop(name) else ""


def new_key(make: Generator, table: Tab, schema: Schema) -> str:
    other = make.random.choice([name for name, each in schema.items() if not each.is_new])
    return f"key to {other} added" if make.add_key(table, other) else ""


def other_key(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.keys)
    if name is None:
        return ""
    column, other, ondelete = table.keys[name]
    table.keys[name] = (column, other, None if ondelete else "CASCADE")
    return f"key {name} ON DELETE changed"


def drop_key(make: Generator, table: Tab, _schema: Schema) -> str:
    name = make.one(table.keys)
    return f"key {name} dropped" if name and table.keys.pop(name) else ""


def new_table(make: Generator, _table: Tab, schema: Schema) -> str:
    made = make.table(schema)
    made.is_new = True
    schema[made.name] = made
    return f"table {made.name} added"


# -- by hand ---------------------------------------------------------------------------------------


def by_hand(make: Generator, before: Schema, after: Schema) -> Iterator[str]:
    """Give statements that change the database, in places where the models did not."""
    untouched = [each for name, each in before.items() if after.get(name) == each]
    for table in make.random.sample(untouched, k=min(len(untouched), BY_HAND)):
        yield make.random.choice(_BY_HAND)(make, table)


def quoted(make: Generator, name: str) -> str:
    mark = "`" if make.dialect == "mysql" else '"'
    return f"{mark}{name}{mark}"


def altered(make: Generator, table: Tab, what: str, name: str) -> str:
    return f"ALTER TABLE {quoted(make, table.name)} {what.format(quoted(make, name))}"


def _extra_column(make: Generator, table: Tab) -> str:
    name = make.name("hand")
    if make.random.random() < 0.5:
        make.accepted.add(f"drop-column:{table.name}.{name}")
    return altered(make, table, "ADD COLUMN {} INTEGER", name)


def _extra_index(make: Generator, table: Tab) -> str:
    column = make.one(table.of("integer", "bigint")).name
    names = (quoted(make, each) for each in (make.name("hand"), table.name, column))
    return "CREATE INDEX {} ON {} ({})".format(*names)


def _missing_index(make: Generator, table: Tab) -> str:
    name = make.one(table.indexes)
    if name is None:
        return _extra_index(make, table)
    where = f" ON {quoted(make, table.name)}" if make.dialect == "mysql" else ""
    return f"DROP INDEX {quoted(make, name)}{where}"


def _missing_column(make: Generator, table: Tab) -> str:
    name = make.one(table.free("text", "float")).name
    make.gone.add(name)
    return altered(make, table, "DROP COLUMN {}", name)


def _extra_view(make: Generator, table: Tab) -> str:
    return f"CREATE VIEW {quoted(make, make.name('hand'))} AS SELECT id FROM {quoted(make, table.name)}"


def _other_default(make: Generator, table: Tab) -> str:
    column = make.one(each for each in table.of("integer", "bigint") if not each.computed)
    if make.dialect == "sqlite" or column is None:
        return _extra_index(make, table)
    return altered(make, table, "ALTER COLUMN {} SET DEFAULT 9", column.name)


def _missing_check(make: Generator, table: Tab) -> str:
    name = make.one(table.checks)
    if make.dialect == "sqlite" or name is None:
        return _missing_column(make, table)
    return altered(make, table, "DROP CONSTRAINT {}", name)


_BY_HAND: tuple[Callable[[Generator, Tab], str], ...] = (
    _extra_column,
    _extra_index,
    _missing_index,
    _missing_column,
    _extra_view,
    _other_default,
    _missing_check,
)

CHANGES_TO_MODELS: tuple[Change, ...] = (
    new_column,
    new_column,
    drop_column,
    widen,
    widen,
    other_type,
    new_special,
    other_special,
    new_computed,
    no_more_computed,
    nullability,
    default,
    comment,
    new_index,
    drop_index,
    other_index,
    renamed_index,
    new_unique,
    drop_unique,
    new_check,
    other_check,
    drop_check,
    new_key,
    other_key,
    drop_key,
    new_table,
)

# -- in SQLAlchemy's terms -------------------------------------------------------------------------


def metadata_of(schema: Schema) -> sa.MetaData:
    """Give the models of a schema."""
    metadata = sa.MetaData()
    for table in schema.values():
        sa.Table(
            table.name,
            metadata,
            sa.Column("id", sa.Integer, primary_key=True),
            *(_column(each, table) for each in table.columns.values()),
            *_constraints(table),
            comment=table.comment,
        )
    return metadata


def _column(column: Col, table: Tab) -> sa.Column[Any]:
    if column.computed is not None:
        one_more = sa.column(column.computed) + sa.literal_column("1")
        return sa.Column(column.name, sa.Integer, sa.Computed(one_more, persisted=column.stored))
    return sa.Column(
        column.name,
        _type(column.kind, f"{table.name}_{column.name}"),
        nullable=column.nullable,
        server_default=None if column.default is None else sa.text(column.default.replace(":", r"\:")),
        comment=column.comment,
    )


def _type(kind: str, name: str) -> Any:
    what, *arguments = kind.split()
    if what == "enum":
        return sa.Enum(*arguments, name=name, create_constraint=True)
    simple = {
        "integer": sa.Integer,
        "bigint": sa.BigInteger,
        "string": sa.String,
        "text": sa.Text,
        "numeric": sa.Numeric,
        "boolean": sa.Boolean,
        "date": sa.Date,
        "float": sa.Float,
    }
    return simple[what](*map(int, arguments))


def _constraints(table: Tab) -> Iterator[Any]:
    for name, (names, unique) in table.indexes.items():
        yield sa.Index(name, *names, unique=unique)
    for name, (column, least) in table.special.items():
        if least is None:
            yield sa.Index(name, sa.column(column) + sa.literal_column("1"))
        else:
            where = sa.column(column) > sa.literal_column(str(least))
            yield sa.Index(name, column, sqlite_where=where, postgresql_where=where)
    for name, names in table.uniques.items():
        yield sa.UniqueConstraint(*names, name=name)
    for name, (column, least) in table.checks.items():
        yield sa.CheckConstraint(sa.column(column) > sa.literal_column(str(least)), name=name)
    for name, (column, other, ondelete) in table.keys.items():
        yield sa.ForeignKeyConstraint([column], [f"{other}.id"], name=name, ondelete=ondelete)


def fill(connection: sa.Connection, metadata: sa.MetaData) -> None:
    """Make the tables, with rows that meet every unique, check and key; the last two have NULLs where they may."""
    metadata.create_all(connection)
    for table in metadata.sorted_tables:
        columns = [each for each in table.columns if each.computed is None]
        rows = [{c.key: _value(c, number) for c in columns} for number in range(1, ROWS + 1)]
        connection.execute(table.insert(), rows)


def _value(column: sa.Column[Any], number: int) -> Any:
    if column.nullable and number >= ROWS - 1 and not column.foreign_keys:
        return None
    return _VALUES[type(column.type)](column.type, number)


_VALUES: dict[type, Callable[[Any, int], Any]] = {
    sa.Integer: lambda _type, number: number,
    sa.BigInteger: lambda _type, number: number + 2**40,
    sa.String: lambda _type, number: f"it's 100% {number}",
    sa.Text: lambda _type, number: f"text\n{number}",
    sa.Numeric: lambda _type, number: Decimal(number) / 4,
    sa.Boolean: lambda _type, number: bool(number % 2),
    sa.Date: lambda _type, number: datetime.date(2026, 1, number),
    sa.Float: lambda _type, number: number / 8,
    sa.Enum: lambda kind, number: kind.enums[number % 2],
}


def rows_of(connection: sa.Connection, schema: Schema, other: Schema, gone: set[str]) -> Rows:
    """Give the values of all columns that both schemas have, but for those that somebody dropped by hand."""
    found: Rows = {}
    for name in schema.keys() & other.keys():
        columns = sorted((schema[name].columns.keys() & other[name].columns.keys()) - gone)
        table = sa.table(name, sa.column("id"), *map(sa.column, columns))
        rows = connection.execute(sa.select(table).order_by(sa.column("id"))).all()
        for place, column in enumerate(("id", *columns)):
            found[name, column] = [_text(row[place]) for row in rows]
    return found


def _text(value: Any) -> str | None:
    if isinstance(value, bool | Decimal):
        value = float(value)
    return value if value is None else str(value).removesuffix(".0")

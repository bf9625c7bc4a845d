"""Write tables, indexes and keys as the Alembic operations that make them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql.elements import TextClause, conv, quoted_name
from sqlalchemy.sql.functions import Function

from .column_types import CannotWriteType, Names, write_named_type, write_type
from .layout import write_call, write_long_call
from .statements import escape_binds

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect
    from sqlalchemy.types import TypeEngine


class CannotWrite(Exception):
    """No operation says this; the statement itself is written then."""


@dataclass(frozen=True)
class Writer:
    """Writes operations for some target dialects; the first one compiles expressions.

    ``names`` collects the imports that the revision needs.
    """

    targets: Sequence[Dialect]
    names: Names

    @property
    def dialect(self) -> Dialect:
        """The dialect in which expressions are written."""
        return self.targets[0]

    # operations

    def create_table(
        self,
        table: sa.Table,
        *,
        late: Iterable[sa.Constraint],
        for_dialect: Dialect,
        makes_types: bool = False,
    ) -> str:
        """Write ``op.create_table``.

        :param late: constraints that are added afterwards.
        :param for_dialect: decides on what ``ddl_if()`` makes depend on it.
        :param makes_types: it shall also make the types with names of their own that its columns have.
        """
        others = table.constraints - {table.primary_key, *late}
        ordered = sorted(others, key=lambda each: each._creation_order)
        parts = [_name(table.name), *(self.column(each, makes_type=makes_types) for each in table.columns)]
        for constraint in (table.primary_key, *ordered):
            if _is_wanted(constraint, for_dialect):
                parts.extend(self.constraint(constraint))
        if table.schema:
            parts.append(f"schema={table.schema!r}")
        if table.comment is not None:
            parts.append(f"comment={table.comment!r}")
        if table._prefixes:
            parts.append(f"prefixes={list(table._prefixes)!r}")
        parts.extend(f"{key}={value!r}" for key, value in table.kwargs.items())
        return write_long_call("op.create_table", parts)

    def drop_table(self, table: sa.Table) -> str:
        """Write ``op.drop_table``."""
        return write_call("op.drop_table", [_name(table.name), *_schema(table)])

    def create_index(self, index: sa.Index, *, grouped: bool, labelled: bool = False) -> str:
        """Write ``op.create_index``.

        :param grouped: put parentheses round expressions, as SQLAlchemy does for some dialects.
        :param labelled: keep labels, by which ``postgresql_ops`` names expressions.
        """
        if index.table is None:
            raise CannotWrite("an index on no table")
        write = self._labelled if labelled else partial(self._index_element, grouped=grouped)
        columns = ", ".join(map(write, index.expressions))
        parts = [self.final_name(index), _name(index.table.name), f"[{columns}]"]
        if index.unique:
            parts.append("unique=True")
        if index.table.schema:
            parts.append(f"schema={index.table.schema!r}")
        parts.extend(f"{key}={self._option(value)}" for key, value in index.kwargs.items())
        return write_call("op.create_index", parts)

    def create_foreign_key(self, key: sa.ForeignKeyConstraint) -> str:
        """Write ``op.create_foreign_key``, for a key that can only be added when both tables are there."""
        source, target = key.table, key.referred_table
        parts = [
            self.final_name(key),
            _name(source.name),
            _name(target.name),
            _list(element.parent.name for element in key.elements),
            _list(element.column.name for element in key.elements),
        ]
        if source.schema:
            parts.append(f"source_schema={source.schema!r}")
        if target.schema:
            parts.append(f"referent_schema={target.schema!r}")
        parts.extend(self._key_options(key))
        return write_call("op.create_foreign_key", parts)

    def create_constraint(self, constraint: sa.UniqueConstraint | sa.CheckConstraint) -> str:
        """Write ``op.create_unique_constraint`` or ``op.create_check_constraint``."""
        if isinstance(constraint, sa.UniqueConstraint):
            kind, what = "unique", _list(column.name for column in constraint.columns)
        else:
            kind, what = "check", f"sa.text({self.text(constraint.sqltext)})"
        parts = [self.final_name(constraint), _name(constraint.table.name), what, *_schema(constraint.table)]
        parts.extend(self._constraint_options(constraint, with_name=False))
        return write_call(f"op.create_{kind}_constraint", parts)

    def drop_foreign_key(self, key: sa.ForeignKeyConstraint) -> str:
        """Write ``op.drop_constraint``; for a key that the server named, after asking for its name."""
        table = [_name(key.table.name), *_schema(key.table)]
        drop, options = "op.drop_constraint", [*table, "type_='foreignkey'"]
        name = self.final_name(key)
        if name != "None":
            return write_call(drop, [name, *options])
        return (
            f"for key in sa.inspect(op.get_bind()).get_foreign_keys({', '.join(table)}):\n"
            f"    if key['constrained_columns'] == {[str(name) for name in key.column_keys]!r}:\n"
            f"        {write_call(drop, ['key[' + repr('name') + ']', *options])}"
        )

    def create_sequence(self, sequence: sa.Sequence) -> str:
        """Write what makes a sequence: no operation does, but SQLAlchemy's own construct."""
        options = [f"{key}={value!r}" for key, value in _sequence_options(sequence) if value is not None]
        if sequence.data_type is not None:
            options.append(f"data_type={write_type(sequence.data_type, self.targets, self.names)}")
        made = write_call("sa.Sequence", [_name(sequence.name), *options, *_schema(sequence)])
        return write_call("op.execute", [write_call("sa.schema.CreateSequence", [made])])

    def create_type(self, type_: postgresql.ENUM | postgresql.DOMAIN) -> str:
        """Write what makes a type with a name of its own: SQLAlchemy's construct, as for a sequence."""
        kind = "Enum" if isinstance(type_, postgresql.ENUM) else "Domain"
        made = write_call(
            f"{self.names.module('postgresql')}.Create{kind}Type", [write_named_type(type_, self.names)]
        )
        return write_call("op.execute", [made])

    def drop_sequence(self, sequence: sa.Sequence) -> str:
        """Write what drops a sequence."""
        return write_call("op.execute", [write_call("sa.schema.DropSequence", [_sequence(sequence)])])

    # parts of a table

    def column(self, column: sa.Column[Any], *, makes_type: bool = False) -> str:
        """Write ``sa.Column``.

        :param makes_type: its type, where that has a name of its own, is not there yet.
        """
        if column.system:
            raise CannotWrite("a system column")
        parts = [_name(column.name), self.type(column.type, is_made=not makes_type)]
        if isinstance(column.default, sa.Sequence):
            parts.append(_sequence(column.default))
        parts.extend(self._check(own) for own in column.constraints if isinstance(own, sa.CheckConstraint))
        parts.extend(self._server_default(column))
        if column.autoincrement != "auto":
            parts.append(f"autoincrement={column.autoincrement!r}")
        parts.append(f"nullable={column.nullable!r}")
        if column.comment is not None:
            parts.append(f"comment={column.comment!r}")
        parts.extend(f"{key}={value!r}" for key, value in column.kwargs.items())
        return write_call("sa.Column", parts)

    def type(self, type_: TypeEngine[Any], *, is_made: bool = True) -> str:
        """Write a type.

        :param is_made: if it has a name of its own, a statement before has made it.
        """
        try:
            return write_type(type_, self.targets, self.names, is_made=is_made)
        except CannotWriteType as error:
            raise CannotWrite(str(error)) from error

    def _server_default(self, column: sa.Column[Any]) -> Iterator[str]:
        default = column.server_default
        if default is not None:
            is_positional = isinstance(default, sa.Computed | sa.Identity)
            yield f"{'' if is_positional else 'server_default='}{self.server_default(default)}"

    def server_default(self, default: sa.FetchedValue) -> str:
        """Write what the server gives where a row says nothing."""
        if isinstance(default, sa.Computed):
            stored = "" if default.persisted is None else f", persisted={default.persisted!r}"
            return f"sa.Computed({self.text(default.sqltext)}{stored})"
        if isinstance(default, sa.Identity):
            options = {key: value for key, value in _identity_options(default) if value is not None}
            return f"sa.Identity({', '.join(f'{k}={v!r}' for k, v in options.items())})"
        if isinstance(default, sa.DefaultClause):
            return self._default_value(default.arg)
        return "sa.FetchedValue()"

    def _default_value(self, value: Any) -> str:
        if isinstance(value, str):
            return repr(value)
        if _is_plain_call(value):
            return f"sa.func.{value.name}()"
        if isinstance(value, sa.True_ | sa.False_):
            return f"sa.{type(value).__name__.rstrip('_').lower()}()"
        return f"sa.text({self.text(value)})"

    def constraint(self, constraint: sa.Constraint) -> Iterator[str]:
        """Write a constraint of a table; nothing for those that a type makes itself."""
        if getattr(constraint, "_type_bound", False):
            return
        if isinstance(constraint, sa.PrimaryKeyConstraint):
            if constraint.columns:
                yield self._columns_constraint("sa.PrimaryKeyConstraint", constraint)
        elif isinstance(constraint, sa.UniqueConstraint):
            yield self._columns_constraint("sa.UniqueConstraint", constraint)
        elif isinstance(constraint, sa.ForeignKeyConstraint):
            yield self._foreign_key(constraint)
        elif isinstance(constraint, sa.CheckConstraint):
            yield self._check(constraint)
        elif isinstance(constraint, postgresql.ExcludeConstraint):
            yield self._exclude(constraint)
        else:
            raise CannotWrite(type(constraint).__name__)

    def _columns_constraint(
        self, name: str, constraint: sa.PrimaryKeyConstraint | sa.UniqueConstraint
    ) -> str:
        columns: Iterable[sa.Column[Any]] = constraint.columns
        if isinstance(constraint, sa.PrimaryKeyConstraint) and constraint._implicit_generated:
            # A key that only its columns say is sent with the counting column first.
            columns = constraint.columns_autoinc_first
        parts = [_name(column.name) for column in columns]
        return write_call(name, [*parts, *self._constraint_options(constraint)])

    def _foreign_key(self, key: sa.ForeignKeyConstraint) -> str:
        targets = []
        for element in key.elements:
            table = element.column.table
            names = [name for name in (table.schema, table.name, element.column.name) if name]
            is_path = not any("." in name for name in names)
            targets.append(_name(".".join(names)) if is_path else _target(element.column))
        columns = _list(element.parent.name for element in key.elements)
        options = [*self._key_options(key), *self._name_option(key)]
        return write_call("sa.ForeignKeyConstraint", [columns, f"[{', '.join(targets)}]", *options])

    def _check(self, check: sa.CheckConstraint) -> str:
        parts = [self.text(check.sqltext), *self._constraint_options(check)]
        return write_call("sa.CheckConstraint", parts)

    def _exclude(self, constraint: postgresql.ExcludeConstraint) -> str:
        parts = []
        for element, _, operator in constraint._render_exprs:
            parts.append(f"({self._index_element(element, grouped=False)}, {operator!r})")
        parts.append(f"using={constraint.using!r}")
        if constraint.where is not None:
            parts.append(f"where=sa.text({self.text(constraint.where)})")
        if constraint.ops:
            parts.append(f"ops={constraint.ops!r}")
        module = self.names.module("postgresql")
        return write_call(f"{module}.ExcludeConstraint", [*parts, *self._constraint_options(constraint)])

    # options

    def _constraint_options(self, constraint: Any, *, with_name: bool = True) -> Iterator[str]:
        if with_name:
            yield from self._name_option(constraint)
        for option in ("deferrable", "initially"):
            value = getattr(constraint, option, None)
            if value is not None:
                yield f"{option}={value!r}"
        yield from (f"{key}={self._option(value)}" for key, value in constraint.kwargs.items())

    def _key_options(self, key: sa.ForeignKeyConstraint) -> Iterator[str]:
        for option in ("onupdate", "ondelete", "deferrable", "initially", "match"):
            value = getattr(key, option)
            if value is not None:
                yield f"{option}={value!r}"
        yield from (f"{name}={self._option(value)}" for name, value in key.kwargs.items())

    def _name_option(self, constraint: sa.Constraint) -> Iterator[str]:
        name = self.final_name(constraint)
        if name != "None":
            yield f"name={name}"

    def final_name(self, named: sa.Constraint | sa.Index) -> str:
        """Write the name that the database gets, final against a later naming convention."""
        if named.name is None:
            return "None"
        preparer = self.dialect.identifier_preparer
        name = preparer.format_constraint(named, _alembic_quote=False)
        if name is None:
            return "None"
        quoted = getattr(named.name, "quote", None)
        if quoted is not None:
            return _name(quoted_name(str(name), quoted))
        return f"op.f({str(name)!r})" if not _is_plain(named.name) else repr(str(name))

    def _index_element(self, element: Any, *, grouped: bool) -> str:
        if isinstance(element, sa.Column):
            return _name(element.name)
        if isinstance(element, str):
            return repr(element)
        element = element.self_group() if grouped else element
        return f"sa.text({self.text(element)})"

    def _labelled(self, element: Any) -> str:
        if not isinstance(element, sa.Label):
            return self._index_element(element, grouped=False)
        return f"sa.literal_column({self.text(element.element)}).label({element.name!r})"

    def _option(self, value: Any) -> str:
        if isinstance(value, sa.ClauseElement):
            return f"sa.text({self.text(value)})"
        if isinstance(value, list | tuple):
            return f"[{', '.join(self._option(each) for each in value)}]"
        if isinstance(value, sa.Column):
            return repr(value.name)
        return repr(value)

    def text(self, expression: Any) -> str:
        """Write an expression as the text that ``sa.text()`` reads back."""
        if isinstance(expression, TextClause) and not expression._bindparams:
            return repr(expression.text)
        options = {"literal_binds": True, "include_table": False}
        sql = str(expression.compile(dialect=self.dialect, compile_kwargs=options))
        if getattr(self.dialect.identifier_preparer, "_double_percents", False):
            sql = sql.replace("%%", "%")
        return repr(escape_binds(sql))


def _is_plain(name: Any) -> bool:
    """Say whether somebody wrote this name: no naming convention made it."""
    return isinstance(name, str) and not isinstance(name, conv)


def _is_plain_call(value: Any) -> bool:
    """Say whether this is a function that is called by its name alone, as ``now()``."""
    is_call = isinstance(value, Function) and hasattr(value, "clauses")
    return is_call and not value.clauses.clauses and not value.packagenames


def _name(name: Any) -> str:
    quote = getattr(name, "quote", None)
    if quote is not None:
        return f"sa.quoted_name({str(name)!r}, {quote!r})"
    return repr(str(name))


def _list(names: Iterable[Any]) -> str:
    return f"[{', '.join(_name(name) for name in names)}]"


def _is_wanted(constraint: sa.Constraint, dialect: Dialect) -> bool:
    """Ask ``ddl_if()``."""
    condition = constraint._ddl_if
    if condition is None:
        return True
    compiler = dialect.ddl_compiler(dialect, CreateTable(constraint.table))
    return bool(condition._should_execute(CreateTable(constraint.table), constraint, None, compiler=compiler))


def _target(column: sa.Column[Any]) -> str:
    """Write the target of a key whose path cannot be told by dots."""
    table = column.table
    parts = [_name(table.name), "sa.MetaData()", f"sa.Column({_name(column.name)})", *_schema(table)]
    return f"{write_call('sa.Table', parts)}.c[{str(column.name)!r}]"


def _schema(owner: Any) -> list[str]:
    return [f"schema={_name(owner.schema)}"] if owner.schema else []


def _sequence(sequence: sa.Sequence) -> str:
    """Write which sequence is meant."""
    optional = ["optional=True"] * bool(sequence.optional)
    return write_call("sa.Sequence", [_name(sequence.name), *optional, *_schema(sequence)])


def _sequence_options(sequence: sa.Sequence) -> Iterator[tuple[str, Any]]:
    for option in "start increment minvalue maxvalue nominvalue nomaxvalue cycle cache order".split():
        yield option, getattr(sequence, option, None)


def _identity_options(identity: sa.Identity) -> Iterator[tuple[str, Any]]:
    for option in "always start increment minvalue maxvalue nominvalue nomaxvalue cycle cache".split():
        value = getattr(identity, option, None)
        yield option, value if value or option in ("start", "minvalue", "maxvalue") else None

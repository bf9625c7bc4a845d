"""Read what SHOW CREATE TABLE prints, line by line, as MariaDB's and MySQL's grammars say.

(https://mariadb.com/kb/en/create-table/, https://dev.mysql.com/doc/refman/8.0/en/create-table.html.)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .mysql_tokens import (
    QUOTED_NAME,
    QUOTED_TEXT,
    UnreadableText,
    closing,
    elements_of,
    end_of_word,
    lines_of,
    unquoted,
    with_plain_names,
    without_outer_parentheses,
    without_version_comments,
)
from .structure import Part

_NAMED = re.compile(rf"(?:CONSTRAINT ({QUOTED_NAME}) )?(.*)", re.DOTALL)
_TYPE = re.compile(
    rf"(\w+(?: precision)?)(\((?:[^()'`]+|{QUOTED_TEXT})*\))?((?: unsigned| signed| zerofill)*)", re.DOTALL
)
# Their width in brackets only says how a client may show them, and newer servers leave it out.
_INTEGERS = frozenset(("tinyint", "smallint", "mediumint", "int", "bigint", "year"))
_KEY = re.compile(
    rf"(?:(PRIMARY|UNIQUE|FULLTEXT|SPATIAL|VECTOR) )?KEY(?: ({QUOTED_NAME}))? (?=\()", re.DOTALL
)
_LIST = rf"\(((?:{QUOTED_NAME}|, ?)+)\)"
_FOREIGN_KEY = re.compile(
    rf"FOREIGN KEY {_LIST} REFERENCES ((?:{QUOTED_NAME}\.)?{QUOTED_NAME}) {_LIST}"
    r"((?: ON (?:DELETE|UPDATE) (?:CASCADE|RESTRICT|SET NULL|SET DEFAULT|NO ACTION))*)\Z",
    re.DOTALL,
)
_ACTION = re.compile(r" ON (DELETE|UPDATE) (\w+(?: NULL| DEFAULT| ACTION)?)")
_ELEMENT_ATTRIBUTE = rf"(?:{QUOTED_NAME}|\w+) ?= ?(?:{QUOTED_TEXT}|\w+)"
_INDEX_OPTION = re.compile(
    rf" (?:USING (?P<using>\w+)|COMMENT (?P<comment>{QUOTED_TEXT})|WITH PARSER (?P<parser>{QUOTED_NAME})"
    rf"|(?P<ignored>IGNORED|INVISIBLE)|(?P<storage>{_ELEMENT_ATTRIBUTE}))",
    re.DOTALL,
)
_TABLE_OPTION = re.compile(
    rf" (?P<key>{QUOTED_NAME}|[A-Z_]+(?: [A-Z]+)?) ?= ?(?P<value>{QUOTED_TEXT}|{QUOTED_NAME}|\([^)]*\)|\S+)"
    r"|(?P<versioning> WITH SYSTEM VERSIONING)|(?P<tablespace> TABLESPACE \S+)",
    re.DOTALL,
)


@dataclass
class TableText:
    """A table as the server prints it: facts of its own, and parts."""

    facts: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)


def read_table(text: str, collations: Mapping[str, str], default_collation: str) -> TableText:
    """Read a CREATE TABLE statement as SHOW CREATE TABLE prints it.

    Collations are given relative to what they would be by themselves: a column's to its table, the table's
    to its database.

    :param collations: the default collation of each character set.
    :raises UnreadableText: it does not follow the grammar.
    """
    head, *lines = lines_of(text)
    if not re.match(r"CREATE TABLE ", head):
        raise UnreadableText(f"unexpected {head!r}")
    at = next((at for at, line in enumerate(lines) if line.startswith(")")), len(lines))
    options = _read_options(without_version_comments("\n".join(lines[at:])))
    table = TableText(facts=options)
    collation = _collation(options.pop("charset", None), options.pop("collate", None), collations)
    if collation is not None and collation != _modern(default_collation):
        options["collation"] = collation
    inherited = collation or _modern(default_collation)
    periods = []
    for position, line in enumerate(lines[:at]):
        item = without_version_comments(line.strip().removesuffix(","))
        if item.startswith("`"):
            table.parts.extend(_column(item, position, collations, inherited))
        elif item.startswith("PERIOD FOR "):
            periods.append(with_plain_names(item.removeprefix("PERIOD FOR ")))
        else:
            table.parts.append(_belonging(item, options.get("engine", "")))
    if periods:
        options["periods"] = "; ".join(periods)
    return table


def _collation(charset: str | None, collate: str | None, collations: Mapping[str, str]) -> str | None:
    if collate is None and charset is not None:
        collate = collations.get(charset)
        if collate is None:
            raise UnreadableText(f"unknown character set {charset}")
    return None if collate is None else _modern(collate)


def _modern(collation: str) -> str:
    """Give the name that newer servers print: utf8mb3 was called utf8."""
    return f"utf8mb3_{collation[5:]}" if collation.startswith("utf8_") else collation


def read_lines(text: str) -> list[str]:
    """Give the lines of a table's text that are its columns, keys and constraints, one for each."""
    _, *lines = lines_of(text)
    at = next((at for at, line in enumerate(lines) if line.startswith(")")), len(lines))
    return [without_version_comments(line.strip().removesuffix(",")) for line in lines[:at]]


def read_key(item: str) -> Part | None:
    """Read a line that makes an index; None where it makes something else."""
    return _key(item, item, "") if _KEY.match(item) else None


# -- columns ---------------------------------------------------------------------------------------


def _column(item: str, position: int, collations: Mapping[str, str], inherited: str) -> list[Part]:
    end = end_of_word(item, 0)
    name = unquoted(item[:end])
    facts, checks = _read_column(item[end + 1 :])
    collation = _collation(facts.pop("charset", None), facts.pop("collate", None), collations)
    if collation not in (None, inherited):
        facts["collation"] = str(collation)
    facts["position"] = str(position)
    column = Part(kind="column", name=name, facts=facts, definition=item)
    return [
        column,
        *(
            Part(
                kind="check",
                name=name,
                named=False,
                facts={"expression": check},
                definition=f"CHECK ({check})",
            )
            for check in checks
        ),
    ]


def _read_column(text: str) -> tuple[dict[str, str], list[str]]:
    match = _TYPE.match(text)
    if match is None:
        raise UnreadableText(f"expected a type, found {text!r}")
    clauses = _Clauses(text, match.end())
    clauses.facts["type"] = _type(*match.groups(default=""))
    clauses.read()
    facts = clauses.facts
    nothing_given = not facts.keys() & {"default", "generated", "autoincrement"}
    if facts.get("default") == "NULL":
        del facts["default"]
    elif nothing_given and facts.get("nullable") != "no":
        facts["default"] = "none, not even NULL"
    return facts, clauses.checks


def _type(name: str, brackets: str, signs: str) -> str:
    if name in _INTEGERS and "zerofill" not in signs and (name, brackets) != ("tinyint", "(1)"):
        brackets = ""
    return f"{name}{brackets}{signs}"


class _Clauses:
    """What follows a column's type, clause by clause."""

    def __init__(self, text: str, at: int) -> None:
        self.text = text
        self.at = at
        self.facts: dict[str, str] = {}
        self.checks: list[str] = []

    def read(self) -> None:
        while self.at < len(self.text):
            for word, read in _COLUMN_CLAUSES.items():
                if self.text.startswith(word, self.at):
                    self.at += len(word)
                    read(self)
                    break
            else:
                self.attribute()

    def flag(self, fact: str, value: str) -> None:
        self.facts[fact] = value

    def word(self) -> str:
        """Take what comes next, up to a space that is in no quotes and no parentheses."""
        end = end_of_word(self.text, self.at)
        taken = self.text[self.at : end]
        self.at = end
        return taken

    def group(self) -> str:
        """Take a parenthesised expression."""
        end = closing(self.text, self.at)
        taken = self.text[self.at + 1 : end]
        self.at = end + 1
        return without_outer_parentheses(taken)

    def generated(self) -> None:
        expression = self.group()
        stored = self.text.startswith((" STORED", " PERSISTENT"), self.at)
        if not stored and not self.text.startswith(" VIRTUAL", self.at):
            raise UnreadableText("a generated column that is neither STORED nor VIRTUAL")
        self.at += 1
        self.word()
        self.facts["generated"] = f"({expression}) {'STORED' if stored else 'VIRTUAL'}"

    def row_bound(self) -> None:
        self.facts["generated"] = f"ROW {self.word()}"

    def check(self) -> None:
        self.checks.append(self.group())

    def storage(self, option: str) -> None:
        self.facts["storage"] = ", ".join(sorted(filter(None, (self.facts.get("storage"), option))))

    def attribute(self) -> None:
        match = re.compile(rf" ({_ELEMENT_ATTRIBUTE})").match(self.text, self.at)
        if match is None:
            raise UnreadableText(f"unexpected {self.text[self.at :]!r}")
        self.at = match.end()
        self.storage(match[1])


_COLUMN_CLAUSES: dict[str, Callable[[_Clauses], None]] = {
    " NOT NULL": lambda clauses: clauses.flag("nullable", "no"),
    " NULL": lambda _: None,
    " DEFAULT ": lambda clauses: clauses.flag("default", clauses.word()),
    " CHARACTER SET ": lambda clauses: clauses.flag("charset", clauses.word()),
    " COLLATE ": lambda clauses: clauses.flag("collate", clauses.word()),
    " AUTO_INCREMENT": lambda clauses: clauses.flag("autoincrement", "yes"),
    " COMMENT ": lambda clauses: clauses.flag("comment", clauses.word()),
    " ON UPDATE ": lambda clauses: clauses.flag("on-update", clauses.word()),
    " GENERATED ALWAYS AS ROW ": _Clauses.row_bound,
    " GENERATED ALWAYS AS ": _Clauses.generated,
    " CHECK ": _Clauses.check,
    " INVISIBLE": lambda clauses: clauses.flag("invisible", "yes"),
    " WITHOUT SYSTEM VERSIONING": lambda clauses: clauses.flag("versioning", "no"),
    " COMPRESSED": lambda clauses: clauses.storage("compressed"),
    " SRID ": lambda clauses: clauses.flag("srid", clauses.word()),
}


# -- keys and constraints --------------------------------------------------------------------------


def _belonging(item: str, engine: str) -> Part:
    match = _NAMED.fullmatch(item)
    assert match is not None
    name, text = (unquoted(match[1]) if match[1] else None), match[2]
    if text.startswith("CHECK "):
        return _check(name, text, item)
    if text.startswith("FOREIGN KEY "):
        return _foreign_key(name, text, item)
    return _key(text, item, engine)


def _check(name: str | None, text: str, item: str) -> Part:
    start = len("CHECK ")
    end = closing(text, start)
    facts = {"expression": without_outer_parentheses(text[start + 1 : end])}
    if text.endswith(" NOT ENFORCED"):
        facts["enforced"] = "no"
    elif end != len(text) - 1:
        raise UnreadableText(f"unexpected {text[end + 1 :]!r}")
    return Part(kind="check", name=name, facts=facts, definition=item)


def _foreign_key(name: str | None, text: str, item: str) -> Part:
    match = _FOREIGN_KEY.match(text)
    if match is None:
        raise UnreadableText(f"unexpected {text!r}")
    columns, table, references, actions = match.groups()
    facts = {
        "columns": _plain_list(columns),
        "table": with_plain_names(table),
        "references": _plain_list(references),
    }
    for event, action in _ACTION.findall(actions):
        if action not in ("RESTRICT", "NO ACTION"):  # the same, and the default
            facts[f"on-{event.lower()}"] = action
    return Part(kind="foreign-key", name=name, facts=facts, definition=item)


def _plain_list(text: str) -> str:
    return ", ".join(map(with_plain_names, elements_of(text)))


def _key(text: str, item: str, engine: str) -> Part:
    match = _KEY.match(text)
    if match is None:
        raise UnreadableText(f"unexpected {item!r}")
    sort, name = match.groups()
    end = closing(text, match.end())
    facts = {"columns": _plain_list(text[match.end() + 1 : end])}
    if sort in ("FULLTEXT", "SPATIAL", "VECTOR"):
        facts["type"] = sort
    facts.update(_read_index_options(text, end + 1, engine))
    kind = {"PRIMARY": "primary-key", "UNIQUE": "unique"}.get(sort or "", "index")
    return Part(kind=kind, name=unquoted(name) if name else None, facts=facts, definition=item)


def _read_index_options(text: str, at: int, engine: str) -> dict[str, str]:
    facts: dict[str, str] = {}
    storage = []
    while at < len(text):
        match = _INDEX_OPTION.match(text, at)
        if match is None:
            raise UnreadableText(f"unexpected {text[at:]!r}")
        at = match.end()
        if match["storage"]:
            storage.append(match["storage"])
        elif match["ignored"]:
            facts["ignored"] = "yes"
        else:
            facts[str(match.lastgroup)] = match[str(match.lastgroup)]
    if storage:
        facts["storage"] = ", ".join(sorted(storage))
    if facts.get("using") == ("HASH" if engine == "MEMORY" else "BTREE"):
        del facts["using"]
    return facts


# -- the table's own -------------------------------------------------------------------------------

_OWN_OPTIONS = {
    "ENGINE": "engine",
    "DEFAULT CHARSET": "charset",
    "CHARSET": "charset",
    "COLLATE": "collate",
    "COMMENT": "comment",
    "UNION": "union",
}
# The next number is data, and a connection string may hold a password.
_NO_FACTS = frozenset(("AUTO_INCREMENT", "CONNECTION"))


def _read_options(text: str) -> dict[str, str]:
    line, _, partitions = text.partition("\n")
    facts: dict[str, str] = {}
    storage = []
    at = 1
    while at < len(line):
        match = _TABLE_OPTION.match(line, at)
        if match is None:
            raise UnreadableText(f"unexpected {line[at:]!r}")
        at = match.end()
        if match["versioning"]:
            facts["versioning"] = "system"
        elif match["tablespace"]:
            storage.append(match["tablespace"].strip())
        elif match["key"] in _OWN_OPTIONS:
            facts[_OWN_OPTIONS[match["key"]]] = match["value"]
        elif match["key"] not in _NO_FACTS:
            storage.append(f"{with_plain_names(match['key'])}={match['value']}")
    if storage:
        facts["storage"] = ", ".join(sorted(storage))
    return facts | _read_partitions(partitions)


def _read_partitions(text: str) -> dict[str, str]:
    """Read how a table is divided, and apart from it into what: partitions come and go with their rows."""
    if not text.strip():
        return {}
    words = re.sub(r"\s+", " ", text).strip()
    scheme, listed = words, ""
    for start in (" (PARTITION ", " PARTITIONS "):
        before, found, after = words.partition(start)
        if found:
            scheme, listed = before, found + after
            break
    # Without words of one's own it starts when the table was made.
    scheme = re.sub(rf" STARTS \w+ ?{QUOTED_TEXT}", "", scheme)
    facts = {"partitioning": scheme.removeprefix("PARTITION BY ")}
    if listed:
        facts["partitions"] = listed.strip()
    return facts

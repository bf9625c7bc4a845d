"""Which hazards of PostgreSQL squawk finds, and which are found here, in the same SQL.

    python -m pip install squawk-cli        # https://squawkhq.com
    python tests/benchmarks/beside_squawk.py [--squawk PATH] [--files FOLDER]

Without a folder: the bad and the safe examples of tests/hazard_cases.py, on a PostgreSQL that is asked for rows.
With one: each of its ``*.sql`` files becomes a history (a revision for each transaction, what is outside of one in
an ``autocommit_block()``) for ``db-lint``, which knows no more than squawk does. Where squawk alone warns, the file
is named.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent.parent))

from hazard_cases import BAD, GOOD, body
from recorders import Recorder
from test_hazards_on_engines import Place

from flask_schemaflow import HazardsFound, LintOptions, lint
from flask_schemaflow.hazards.words import statements_in
from flask_schemaflow.recording import RecordedOperation

SERVER = os.environ.get("SCHEMAFLOW_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres")
# Rules of style, and of a session that `flask db-safe-upgrade` sets up itself.
LEFT_OUT = re.compile(r"prefer-|require-(\w+-)?timeout|require-table-schema|ban-char-field|unused-|syntax-")
# What squawk's rules are called here.
SAME = {
    "adding-field-with-default": ("add-column-volatile-default", "add-stored-generated-column"),
    "adding-foreign-key-constraint": ("add-foreign-key",),
    "adding-not-nullable-field": ("set-not-null",),
    "adding-required-field": ("add-required-column",),
    "adding-serial-primary-key-field": ("add-primary-key", "add-unique-column", "add-auto-increment-column"),
    "ban-alter-domain-with-add-constraint": ("domain-with-constraint",),
    "ban-concurrent-index-creation-in-transaction": ("concurrent-index-in-transaction",),
    "ban-create-domain-with-constraint": ("domain-with-constraint",),
    "ban-drop-column": ("drop-column",),
    "ban-drop-constraint": ("drop-constraint", "drop-primary-key"),
    "ban-drop-database": ("drop-schema",),
    "ban-drop-default": ("change-column-default", "drop-default-on-required-column"),
    "ban-drop-not-null": ("drop-not-null",),
    "ban-drop-schema": ("drop-schema",),
    "ban-drop-table": ("drop-table", "recreate-table-force"),
    "ban-duplicate-column-assignments": ("duplicate-column",),
    "ban-truncate-cascade": ("truncate-cascade",),
    "changing-column-type": ("change-column-type", "narrow-column-type", "drop-enum-value"),
    "constraint-missing-not-valid": (
        "add-check-constraint",
        "add-exclusion-constraint",
        "add-foreign-key",
        "add-primary-key",
        "add-unique-constraint",
        "validate-in-same-transaction",
    ),
    "disallowed-unique-constraint": ("add-unique-constraint", "add-unique-column"),
    "identifier-too-long": ("identifier-too-long",),
    "renaming-column": ("rename-column",),
    "renaming-object": ("rename-schema", "rename-enum-value"),
    "renaming-table": ("rename-table",),
    "require-concurrent-index-creation": ("add-index-non-concurrently", "index-build-after-exclusive-lock"),
    "require-concurrent-index-deletion": ("drop-index-non-concurrently",),
    "require-concurrent-partition-detach": ("detach-partition-non-concurrently",),
    "require-concurrent-reindex": ("reindex-non-concurrently",),
    "require-enum-value-ordering": ("enum-add-value-unordered",),
    "transaction-nesting": ("transaction-control-in-migration",),
}


@dataclass(frozen=True)
class Example:
    """SQL, what is found here in it, and what of this stops."""

    name: str
    sql: str
    found: frozenset[str]
    stops: frozenset[str]


# -- our examples ----------------------------------------------------------------------------------


def ours(folder: Path) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Give the bad and the safe examples with what is found in them."""
    server = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    name = f"sf_{os.getpid()}_beside"
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    place = Place("postgresql", server.url.set(database=name).render_as_string(False), Recorder(folder))
    try:
        bad = tuple(_example(place, each.body) for each in BAD if "postgresql" in each.families)
        good = tuple(_example(place, each.body) for each in GOOD if "postgresql" in each.families)
    finally:
        place.engine.dispose()
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    return bad, good


def _example(place: Place, text: str) -> Example:
    place.fill(text)
    recorded = place.recorder.record(*body(text).split("\n"), family="postgresql")
    found = place.weighed(text)
    return Example(
        text,
        "\n".join(_in_transactions(recorded.operations)),
        frozenset(each.code for each in found),
        frozenset(each.code for each in found if each.severity.value == "error"),
    )


def _in_transactions(operations: Iterable[RecordedOperation]) -> Iterator[str]:
    inside = False
    for each in operations:
        if inside == each.autocommit:
            yield "COMMIT;" if inside else "BEGIN;"
            inside = not inside
        yield from (f"{sql.rstrip(';')};" for sql in each.statements)
    if inside:
        yield "COMMIT;"


# -- a folder of SQL -------------------------------------------------------------------------------


def of_folder(folder: Path) -> tuple[Example, ...]:
    """Give the files of a folder with what ``db-lint`` finds in them."""
    return tuple(_linted(file) for file in sorted(folder.glob("*.sql")))


def _linted(file: Path) -> Example:
    sql = file.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "versions").mkdir()
        (folder / "env.py").touch()
        for number, lines in enumerate(_revisions(sql)):
            parent = f"r{number - 1}" if number else None
            (folder / "versions" / f"r{number}.py").write_text(
                f"from alembic import op\n\nrevision = 'r{number}'\ndown_revision = {parent!r}\n\n\n"
                f"def upgrade():\n    pass\n{lines}\n\ndef downgrade():\n    op.execute('SELECT 1')\n"
            )
        try:
            result = lint(LintOptions(directory=place, engines=("postgresql",)))
        except HazardsFound as error:
            found = error.result.findings if error.result is not None else error.findings
        else:
            found = result.findings
    return Example(
        file.name,
        sql,
        frozenset(each.code for each in found),
        frozenset(each.code for each in found if each.severity.value == "error"),
    )


def _revisions(sql: str) -> Iterator[str]:
    """Give the lines of each revision: one for each transaction of the file, with what is before it."""
    lines, inside = "", False
    for tokens, statement in statements_in(sql):
        first = tokens[0].said
        if first in ("BEGIN", "START") and not inside:
            inside = True
        elif first in ("COMMIT", "END", "ROLLBACK") and inside and len(tokens) <= 2:
            yield lines
            lines, inside = "", False
        elif inside:
            lines += f"    op.execute({statement!r})\n"
        else:
            lines += f"    with op.get_context().autocommit_block():\n        op.execute({statement!r})\n"
    if lines:
        yield lines


# -- squawk ----------------------------------------------------------------------------------------


def warned(squawk: str, examples: Iterable[Example]) -> dict[Example, frozenset[str]]:
    """Give the rules by which squawk warns in each example."""
    examples = tuple(examples)
    with tempfile.TemporaryDirectory() as place:
        files = {str(Path(place) / f"{number}.sql"): each for number, each in enumerate(examples)}
        for file, each in files.items():
            Path(file).write_text(each.sql, encoding="utf-8")
        command = [squawk, "--reporter", "Json", "--pg-version", "15.0", *files]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    rules: dict[Example, set[str]] = {each: set() for each in examples}
    for told in json.loads(ended.stdout):
        if not LEFT_OUT.match(told["rule_name"]):
            rules[files[told["file"]]].add(told["rule_name"])
    return {each: frozenset(names) for each, names in rules.items()}


def _agrees(rule: str, codes: frozenset[str]) -> bool:
    return bool(codes & {*SAME.get(rule, ())})


def _rules(*warnings: Mapping[Example, frozenset[str]]) -> list[str]:
    return sorted({rule for each in warnings for names in each.values() for rule in names})


def tell_ours(bad: Mapping[Example, frozenset[str]], good: Mapping[Example, frozenset[str]]) -> None:
    """Print what docs/hazards.md has of our examples."""
    print(
        f"{len(bad)} bad and {len(good)} safe examples. squawk warns in {sum(map(bool, bad.values()))} bad ones and"
    )
    print(
        f"{sum(map(bool, good.values()))} safe ones; here something is found in {sum(bool(e.found) for e in bad)} bad ones,"
    )
    print(f"and something stops in {sum(bool(e.stops) for e in good)} safe ones.\n")
    print("| rule of squawk | bad ones it warns in | found here | safe ones it warns in | stopped here |")
    print("|---|---|---|---|---|")
    for rule in _rules(bad, good):
        in_bad = [each for each, names in bad.items() if rule in names]
        in_good = [each for each, names in good.items() if rule in names]
        here, stopped = sum(bool(e.found) for e in in_bad), sum(bool(e.stops) for e in in_good)
        print(f"| `{rule}` | {len(in_bad)} | {here} | {len(in_good)} | {stopped} |")


def tell_folder(warnings: Mapping[Example, frozenset[str]]) -> None:
    """Print which files both warn in, and name those in which one does."""
    pairs = [(rule, each) for each, names in warnings.items() for rule in names]
    both = sum(_agrees(rule, each.found) for rule, each in pairs)
    print(
        f"{len(warnings)} files. squawk warns in {sum(map(bool, warnings.values()))}, by {len(pairs)} rules; {both} found here.\n"
    )
    print("| rule of squawk | files it warns in | found here |")
    print("|---|---|---|")
    missed = []
    for rule in _rules(warnings):
        files = [each for each, names in warnings.items() if rule in names]
        missed += [f"{rule}: {each.name}" for each in files if not _agrees(rule, each.found)]
        print(f"| `{rule}` | {len(files)} | {sum(_agrees(rule, each.found) for each in files)} |")
    print("\nsquawk alone:", *missed, sep="\n  ")
    alone = [
        f"{each.name}: {', '.join(sorted(each.stops))}"
        for each, names in warnings.items()
        if each.stops and not names
    ]
    print("\nStopped here alone:", *alone, sep="\n  ")


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--squawk", default="squawk")
    parser.add_argument("--files", type=Path)
    said = parser.parse_args()
    if said.files is not None:
        tell_folder(warned(said.squawk, of_folder(said.files)))
        return
    with tempfile.TemporaryDirectory() as folder:
        bad, good = ours(Path(folder))
    tell_ours(warned(said.squawk, bad), warned(said.squawk, good))


if __name__ == "__main__":
    main()

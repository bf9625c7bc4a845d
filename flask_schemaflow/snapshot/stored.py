"""Snapshots on disk, beside the revisions: what the structure is after each of them.

One file a revision and engine family. It lists the objects that the revision changed against its parent,
and a hash of the whole; a chain hash over the sources of all revisions below makes an edited revision's
file stale instead of wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..revisions import Revision, below, parents_first, source_hash, source_of
from .structure import SURROUNDINGS, Object, Part, Snapshot

FORMAT = 1
FOLDER = "snapshots"

SnapshotPerBind = Mapping[str | None, Snapshot]


def stored_path(revision: str, family: str) -> Path:
    """Say where a revision's snapshot stands, relative to the migrations folder."""
    return Path(FOLDER, f"{revision}.{family}.json")


def structure_hash(snapshot: Snapshot) -> str:
    """Hash what decides equality; two equal hashes mean equal structures. Read-only."""
    objects = sorted(
        _text_of(_without_surroundings(each)) for each in snapshot.objects if not each.surrounding
    )
    text = f"[{_dumped(snapshot.family)}, [{', '.join(objects)}]]"
    return hashlib.sha256(text.encode()).hexdigest()


def chain_hashes(revisions: Iterable[Revision]) -> dict[str, str]:
    """Hash each revision together with everything below it, by the sources' meaning. Read-only."""
    by_id = {revision.id: revision for revision in revisions}
    hashes: dict[str, str] = {}
    for revision in parents_first(by_id, by_id):
        source = source_hash(source_of(revision.file))
        under = [hashes[each] for each in sorted(below(revision, by_id))]
        hashes[revision.id] = hashlib.sha256("\n".join([source, *under]).encode()).hexdigest()
    return hashes


def series_of(family: str, version: tuple[int, ...]) -> tuple[int, ...]:
    """Give as much of a server's version as says how it writes texts: 15 of PostgreSQL 15.4."""
    return version[: _SERIES[family]]


# PostgreSQL changes them with the first number (https://www.postgresql.org/support/versioning/), MariaDB
# and MySQL with the second; SQLite keeps statements as they were written
# (https://sqlite.org/schematab.html).
_SERIES = {"sqlite": 0, "postgresql": 1, "mariadb": 2, "mysql": 2}


def render_stored(
    revision: str,
    chain: str,
    snapshots: SnapshotPerBind,
    before: SnapshotPerBind,
) -> str:
    """Write the snapshots of one family after a revision as the text of its file.

    :param chain: the revision's chain hash.
    :param before: what :func:`read_stored` gives for its first parent; empty for a base.
    """
    document = {
        "format": FORMAT,
        "revision": revision,
        "family": next(snapshot.family for snapshot in snapshots.values()),
        "chain": chain,
    }
    databases = (
        f"{_written(key or '')}: {_changes(snapshots[key], before.get(key))}"
        for key in sorted(snapshots, key=lambda key: key or "")
    )
    head = _written(document).removesuffix("}")
    return f'{head},\n"databases": {{{_lines(databases)}}}}}\n'


def _changes(after: Snapshot, before: Snapshot | None) -> str:
    known = {each.key: each for each in before.objects} if before else {}
    there = {each.key for each in after.objects}
    head = {
        "hash": structure_hash(after),
        "server": ".".join(map(str, after.server_version[:2])),
        "removed": sorted(([*key] for key in known if key not in there), key=str),
    }
    changed = (each for each in after.objects if not _is_same(known.get(each.key), each))
    objects = _lines(_text_of(each, write=_written, indent="\n  ") for each in changed)
    return f'{_written(head).removesuffix("}")}, "objects": [{objects}]}}'


def _lines(texts: Iterable[str]) -> str:
    """Write each on lines of its own: what changes is read in a diff."""
    return "".join(f"{',' if number else ''}\n {text}" for number, text in enumerate(texts))


def _is_same(one: Object | None, other: Object) -> bool:
    """Say whether two objects are written alike; the order of parts says nothing."""
    return one == other or (one is not None and _text_of(one) == _text_of(other))


def read_stored(
    directory: Path,
    revisions: Iterable[Revision],
    targets: Collection[str],
    key: str | None,
    like: Snapshot,
    *,
    of_any_series: bool = False,
) -> dict[str, Snapshot]:
    """Give one database's snapshots after some revisions; without those that are missing or stale.

    A file says what changed against the first parent; whatever other parents bring is a change, too. What
    was made on a server of another series is left out: servers write the same thing in other words.
    Read-only.

    :param directory: the migrations folder.
    :param key: the database's bind key.
    :param like: of which family, and on which server, it is.
    :param of_any_series: give also what was made on servers of other series.
    :raises ConfigurationError: a file is there and is not one of ours.
    """
    if not (directory / FOLDER).is_dir():
        return {}
    by_id = {revision.id: revision for revision in revisions}
    ordered = parents_first(targets, by_id)
    hashes = chain_hashes(ordered)
    after: dict[str | None, dict[str | None, Snapshot]] = {None: {}}
    found: dict[str, Snapshot] = {}
    for revision in ordered:
        file = directory / stored_path(revision.id, like.family)
        before = after.get(revision.parents[0] if revision.parents else None)
        if before is None or not file.exists():
            continue
        stored = read_file(file)
        if stored.is_of(revision.id, like.family, hashes[revision.id]):
            there = after[revision.id] = stored.applied_to(before)
            if revision.id in targets and key in stored.databases and stored.gives(there):
                found[revision.id] = there[key]
    wanted = series_of(like.family, like.server_version)
    return {
        each: made
        for each, made in found.items()
        if of_any_series or series_of(made.family, made.server_version) == wanted
    }


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """What one file says: the changes that a revision makes in the databases of one family.

    ``databases`` are, by bind key, the changes as in the document.
    """

    revision: str
    family: str
    chain: str
    databases: Mapping[str | None, Mapping[str, Any]]

    def is_of(self, revision: str, family: str, chain: str) -> bool:
        """Say whether it is of this revision with these sources."""
        return (self.revision, self.family, self.chain) == (revision, family, chain)

    def version(self, key: str | None) -> tuple[int, ...]:
        """Give the version of the server on which a database's structure was read."""
        return _version(self.databases[key])

    def applied_to(self, before: SnapshotPerBind) -> dict[str | None, Snapshot]:
        """Give the snapshots after the revision, made from those after its first parent."""
        empty = Snapshot(family=self.family)
        changed = {key: _apply(before.get(key, empty), each) for key, each in self.databases.items()}
        return {**before, **changed}

    def gives(self, snapshots: SnapshotPerBind) -> bool:
        """Say whether these are, as a whole, what was stored."""
        return all(structure_hash(snapshots[key]) == each["hash"] for key, each in self.databases.items())


def read_file(file: Path) -> StoredFile:
    """Read one file. Read-only.

    :raises ConfigurationError: it is not one of ours, or is of another version of this package.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["format"] == FORMAT:
            return _stored_file(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} is not a readable snapshot ({type(error).__name__}: {error}). Remove it; it can be made "
            "again."
        ) from None
    raise ConfigurationError(
        f"{file} was written by another version of flask-schemaflow. Remove it; it can be made again."
    )


def _stored_file(document: Mapping[str, Any]) -> StoredFile:
    stored = StoredFile(
        revision=str(document["revision"]),
        family=str(document["family"]),
        chain=str(document["chain"]),
        databases={key or None: changes for key, changes in document["databases"].items()},
    )
    # Touch whatever must be there; what is missing or of another kind raises by itself.
    stored.gives(stored.applied_to({}))
    return stored


def _apply(before: Snapshot, changes: Mapping[str, Any]) -> Snapshot:
    removed = {tuple(key) for key in changes["removed"]}
    changed = {each.key: each for each in map(_object_from_json, changes["objects"])}
    kept = (o for o in before.objects if o.key not in removed and o.key not in changed)
    objects = sorted((*kept, *changed.values()), key=lambda each: str(each.key))
    return replace(before, server_version=_version(changes), origin="stored snapshot", objects=tuple(objects))


def _version(changes: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(int(part) for part in changes["server"].split(".") if part)


def _without_surroundings(each: Object) -> Object:
    parts = tuple(
        replace(
            part,
            name=part.name if part.named else None,
            named=True,
            facts={k: v for k, v in part.facts.items() if (part.kind, k) not in SURROUNDINGS},
        )
        for part in each.parts
        if not part.surrounding
    )
    facts = {k: v for k, v in each.facts.items() if (each.kind, k) not in SURROUNDINGS}
    return replace(each, facts=facts, parts=parts)


def _text_of(each: Object, write: Callable[[Any], str] | None = None, indent: str = "") -> str:
    """Write an object as JSON with sorted keys, its parts sorted by their texts.

    :param write: writes a value; ASCII only by default.
    :param indent: what stands before each part.
    """
    write = write or _dumped
    document: dict[str, Any] = {"kind": each.kind, "name": each.name, "facts": dict(each.facts)}
    texts = {key: write(value) for key, value in document.items()}
    parts = sorted(write(_part_to_json(part)) for part in each.parts)
    joint = f",{indent or ' '}"
    texts["parts"] = f"[{indent if parts else ''}{joint.join(parts)}]"
    if each.schema is not None:
        texts["schema"] = write(each.schema)
    if each.surrounding:
        texts["surrounding"] = "true"
    written = (f'"{key}": {texts[key]}' for key in sorted(texts))
    return f"{{{', '.join(written)}}}"


def _part_to_json(part: Part) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": part.kind, "facts": dict(part.facts)}
    if part.name is not None:
        document["name"] = part.name
    if not part.named:
        document["named"] = False
    if part.surrounding:
        document["surrounding"] = True
    return document


_dumped = json.JSONEncoder(sort_keys=True).encode
_written = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode


def _object_from_json(document: Mapping[str, Any]) -> Object:
    return Object(
        kind=document["kind"],
        name=document["name"],
        schema=document.get("schema"),
        surrounding=document.get("surrounding", False),
        facts=document["facts"],
        parts=tuple(
            Part(
                kind=part["kind"],
                name=part.get("name"),
                named=part.get("named", True),
                surrounding=part.get("surrounding", False),
                facts=part["facts"],
            )
            for part in document["parts"]
        ),
    )

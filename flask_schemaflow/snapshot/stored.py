"""Snapshots on disk, beside the revisions: what the structure is after each of them.

One file a revision and engine family. It lists the objects that the revision changed against its parent,
and a hash of the whole; a chain hash over the sources of all revisions below makes an edited revision's
file stale instead of wrong.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from ..revisions import Revision, lineage, parents_first, source_hash
from .structure import SURROUNDINGS, Object, Part, Snapshot

FORMAT = 1
FOLDER = "snapshots"

SnapshotPerBind = Mapping[str | None, Snapshot]


def stored_path(revision: str, family: str) -> Path:
    """Say where a revision's snapshot stands, relative to the migrations folder."""
    return Path(FOLDER, f"{revision}.{family}.json")


def structure_hash(snapshot: Snapshot) -> str:
    """Hash what decides equality; two equal hashes mean equal structures. Read-only."""
    objects = [
        _object_to_json(_without_surroundings(each)) for each in snapshot.objects if not each.surrounding
    ]
    text = json.dumps([snapshot.family, sorted(objects, key=_dumped)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def chain_hashes(revisions: Iterable[Revision]) -> dict[str, str]:
    """Hash each revision together with everything below it, by the sources' meaning. Read-only."""
    by_id = {revision.id: revision for revision in revisions}
    hashes: dict[str, str] = {}
    for revision in parents_first(by_id, by_id):
        source = source_hash(revision.file.read_text(encoding="utf-8"))
        below = [hashes[parent] for parent in sorted(revision.parents)]
        hashes[revision.id] = hashlib.sha256("\n".join([source, *below]).encode()).hexdigest()
    return hashes


def render_stored(
    revision: str,
    chain: str,
    snapshots: SnapshotPerBind,
    before: SnapshotPerBind,
) -> str:
    """Write the snapshots of one family after a revision as the text of its file.

    :param chain: the revision's chain hash.
    :param before: the snapshots after its parent; empty for a base.
    """
    family, version = next((s.family, s.server_version) for s in snapshots.values())
    document = {
        "format": FORMAT,
        "revision": revision,
        "family": family,
        "server": ".".join(map(str, version[:2])),
        "chain": chain,
        "databases": {key or "": _changes(snapshot, before.get(key)) for key, snapshot in snapshots.items()},
    }
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _changes(after: Snapshot, before: Snapshot | None) -> dict[str, Any]:
    known = {each.key: each for each in before.objects} if before else {}
    there = {each.key for each in after.objects}
    return {
        "hash": structure_hash(after),
        "objects": [_object_to_json(o) for o in after.objects if known.get(o.key) != o],
        "removed": sorted(([*key] for key in known if key not in there), key=str),
    }


def read_stored(
    directory: Path, revisions: Sequence[Revision], target: str, family: str
) -> dict[str | None, Snapshot] | None:
    """Give the snapshots after a revision, by bind key; None where they are missing or stale.

    Read-only.

    :param directory: the migrations folder.
    :raises ConfigurationError: a file is there and is not one of ours.
    """
    by_id = {revision.id: revision for revision in revisions}
    chain: list[Revision] = []
    current: str | None = target
    while current is not None:
        if not (directory / stored_path(current, family)).is_file():
            return None
        chain.append(by_id[current])
        current = by_id[current].parents[0] if by_id[current].parents else None
    hashes = chain_hashes(by_id[each] for each in lineage([target], by_id))
    snapshots: dict[str | None, Snapshot] = {}
    for revision in reversed(chain):
        document = _read_document(directory / stored_path(revision.id, family))
        if document["chain"] != hashes[revision.id]:
            return None
        version = tuple(int(part) for part in document["server"].split("."))
        for key, changes in document["databases"].items():
            before = snapshots.get(key or None) or Snapshot(family=family)
            snapshots[key or None] = replace(_apply(before, changes), server_version=version)
    wholes = {key or None: changes["hash"] for key, changes in document["databases"].items()}
    if any(structure_hash(snapshots[key]) != whole for key, whole in wholes.items()):
        return None
    return snapshots


def _read_document(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        known = document["format"] == FORMAT
        if known:
            _check_document(document)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{file} is not a readable snapshot ({type(error).__name__}: {error}). Remove it; it can be made "
            "again."
        ) from None
    if not known:
        raise ConfigurationError(
            f"{file} was written by another version of flask-schemaflow. Remove it; it can be made again."
        )
    return document


def _check_document(document: Mapping[str, Any]) -> None:
    """Touch whatever a snapshot must have; what is missing or of another kind raises by itself."""
    str(document["chain"])
    [int(part) for part in document["server"].split(".")]
    for changes in document["databases"].values():
        str(changes["hash"])
        _apply(Snapshot(family=document["family"]), changes)


def _apply(before: Snapshot, changes: Mapping[str, Any]) -> Snapshot:
    removed = {tuple(key) for key in changes["removed"]}
    changed = {each.key: each for each in map(_object_from_json, changes["objects"])}
    kept = (o for o in before.objects if o.key not in removed and o.key not in changed)
    objects = sorted((*kept, *changed.values()), key=lambda each: str(each.key))
    return replace(before, objects=tuple(objects))


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


def _object_to_json(each: Object) -> dict[str, Any]:
    parts = [_part_to_json(part) for part in each.parts]
    document: dict[str, Any] = {"kind": each.kind, "name": each.name, "facts": dict(each.facts)}
    if each.schema is not None:
        document["schema"] = each.schema
    if each.surrounding:
        document["surrounding"] = True
    return document | {"parts": sorted(parts, key=_dumped)}


def _part_to_json(part: Part) -> dict[str, Any]:
    document: dict[str, Any] = {"kind": part.kind, "facts": dict(part.facts)}
    if part.name is not None:
        document["name"] = part.name
    if not part.named:
        document["named"] = False
    if part.surrounding:
        document["surrounding"] = True
    return document


def _dumped(document: Any) -> str:
    return json.dumps(document, sort_keys=True)


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

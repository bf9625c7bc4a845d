"""Rules for the file of a revision: the way back, and what it imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..revisions import source_of
from .hazard import Hazard, Kind

if TYPE_CHECKING:
    from .pending import Pending

_NO_WAY_BACK = Kind(
    "irreversible-migration",
    ("irreversible",),
    "Write downgrade(), or say in it why there is no way back, and rely on a backup.",
)
_IMPORTS = Kind(
    "app-model-import-in-migration",
    ("incompatible",),
    'Name what you need of the table in the revision: sa.table("users", sa.column("id")).',
)


def irreversible_migration(pending: Pending) -> Iterator[Hazard]:
    """Find revisions that do something and have no downgrade."""
    if not pending.recorded.operations and not pending.recorded.unseen:
        return
    functions = {node.name: node for node in _tree(pending).body if isinstance(node, ast.FunctionDef)}
    back = functions.get("downgrade")
    if back is None or all(isinstance(each, ast.Pass) for each in back.body):
        line = back.lineno if back is not None else None
        yield _told(
            pending, _NO_WAY_BACK, line, "The revision has no way back: its downgrade() does nothing."
        )


def app_model_import_in_migration(pending: Pending) -> Iterator[Hazard]:
    """Find imports of models, which are others when the revision runs one day."""
    for node in ast.walk(_tree(pending)):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{each.name}" for each in node.names)]
        elif isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        for name in names:
            if any(map(_has_models, _files(name, pending.recorded.file))):
                message = (
                    f"Imports {name}, which has models: when it runs one day they are not what they are now."
                )
                yield _told(pending, _IMPORTS, getattr(node, "lineno", None), message)
                break


def _tree(pending: Pending) -> ast.Module:
    return ast.parse(source_of(pending.recorded.file))


def _files(name: str, revision: Path) -> Iterator[Path]:
    """Give the files of a module that may lie beside the migrations folder or in the working directory."""
    path = Path(*name.split("."))
    for root in dict.fromkeys((Path.cwd(), *list(revision.parents)[1:4])):
        yield from (
            each
            for each in ((root / path).with_suffix(".py"), root / path / "__init__.py")
            if each.is_file() and "site-packages" not in each.parts
        )


_MODELS = re.compile(r"^\s+__tablename__\s*=|\.Model\)\s*:|\bdb\.Table\(|=\s*Table\(", re.MULTILINE)


def _has_models(file: Path) -> bool:
    return _MODELS.search(file.read_text(encoding="utf-8", errors="replace")) is not None


def _told(pending: Pending, kind: Kind, line: int | None, message: str) -> Hazard:
    return Hazard(
        code=kind.code,
        subject=pending.recorded.revision,
        classes=kind.classes,
        message=message,
        hint=kind.hint,
        revision=pending.recorded.revision,
        file=str(pending.recorded.file),
        line=line,
    )


RULES = (irreversible_migration, app_model_import_in_migration)
KINDS = (_NO_WAY_BACK, _IMPORTS)

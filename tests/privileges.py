"""Commands that respect file permissions, whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from projects import Project


def _unprivileged() -> Callable[[], None] | None:
    """Give what makes a process respect file permissions: root would not."""
    if os.geteuid() != 0:
        return None

    import ctypes

    library = ctypes.CDLL(None)

    def drop() -> None:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH (capabilities(7))
            library.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP (prctl(2))

    return drop


def flask_without_privileges(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", project.app, *arguments],
        cwd=project.path,
        env=os.environ | project.environment,
        capture_output=True,
        text=True,
        preexec_fn=_unprivileged(),
        check=False,
    )

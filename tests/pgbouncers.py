"""A PgBouncer of our own, in front of the PostgreSQL that the tests use."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

HOW = "apt-get install pgbouncer"


def program() -> str | None:
    """Where PgBouncer is, if it is here."""
    return shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")


@contextmanager
def pgbouncer(folder: Path, server: str, *lines: str) -> Iterator[str]:
    """Run one on a free port, and give the URL of the same database through it."""
    url = sa.make_url(server)
    found = program()
    assert found is not None
    folder.mkdir(exist_ok=True)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    password = f" password={url.password}" if url.password else ""
    config = folder / "pgbouncer.ini"
    config.write_text(
        "\n".join(
            [
                "[databases]",
                f"* = host={url.host or '/var/run/postgresql'} port={url.port or 5432} "
                f"user={url.username}{password}",
                "[pgbouncer]",
                "listen_addr = 127.0.0.1",
                f"listen_port = {port}",
                "unix_socket_dir =",
                "auth_type = any",
                *lines,
                "",
            ]
        )
    )
    user = {}
    if os.getuid() == 0:
        # It does not run as root.
        nobody = pwd.getpwnam("nobody")
        for place in (folder, *folder.parents):
            with suppress(PermissionError):
                place.chmod(place.stat().st_mode | 0o011)
        config.chmod(0o644)
        folder.chmod(0o755)
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    running = subprocess.Popen([found, "-q", str(config)], stderr=subprocess.DEVNULL, **user)
    try:
        _wait_for(port, running)
        yield url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        running.terminate()
        running.wait(10)


def _wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        assert running.poll() is None, "pgbouncer ended"
        time.sleep(0.05)
    raise AssertionError("pgbouncer does not answer")

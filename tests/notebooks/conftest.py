"""Kernels and JupyterLab with directories of their own, so that no test touches a user's review or settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import coder_assist

ROOT = Path(coder_assist.__file__).parent.parent


@pytest.fixture
def kernel_environment(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of what runs notebooks; this process has it too, so that kernels started here get it."""
    jupyter = {
        name: str(tmp_path / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR")
    }
    ours = {
        "CODER_ASSIST_DATA_DIR": str(tmp_path / "data"),
        "CODER_ASSIST_CACHE_DIR": str(cache_dir),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "OMP_NUM_THREADS": "1",
        **jupyter,
    }
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **ours}

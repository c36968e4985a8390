"""The image and the compose file as far as they can be held without an engine."""

from __future__ import annotations

import json
import re
import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from coder_assist.settings import Settings

ROOT = Path(__file__).parents[1]
SETTINGS = {f"CODER_ASSIST_{name.upper()}" for name in Settings.model_fields}


@pytest.fixture(scope="module")
def steps() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    joined = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in map(str.strip, lines)]


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return found


def test_the_image_runs_as_nobody_special(steps: list[tuple[str, str]]) -> None:
    """After the last FROM a user other than root is set before the entry point, and stays."""
    last = max(place for place, (name, _) in enumerate(steps) if name == "FROM")
    users = [what for name, what in steps[last:] if name == "USER"]
    assert users == ["10001:10001"]
    order = [name for name, _ in steps[last:]]
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert "RUN" not in order[order.index("USER") :]


def test_the_image_needs_no_network_later(steps: list[tuple[str, str]]) -> None:
    """Everything is installed while it is built, by the pinned versions, and the code books are compiled."""
    runs = " ".join(what for name, what in steps if name == "RUN")
    assert "-c constraints.txt" in runs and "codes compile" in runs
    later = " ".join(what for name, what in steps if name in ("CMD", "ENTRYPOINT", "HEALTHCHECK"))
    assert not re.search(r"pip|curl|wget|https://", later)
    assert not re.search(r"http://(?!127\.0\.0\.1)", later)


def test_what_builds_the_image_is_pinned(steps: list[tuple[str, str]]) -> None:
    """pip holds the build backend to its version as well, by its old name for that and by the new one."""
    set_before = " ".join(what for name, what in steps if name == "ENV").split()
    for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"):
        assert f"{name}=/src/constraints.txt" in set_before
    order = [name if name != "RUN" else what for name, what in steps]
    assert order.index("ENV") < next(place for place, step in enumerate(order) if "pip install" in step)
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {re.split(r"[<>=]", line)[0] for line in backend} <= pinned


def test_no_secret_is_committed_or_copied() -> None:
    """The directory that compose reads secrets from is ignored by git and by the engine."""
    assert "secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "**/secrets" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_services_know_their_name_and_their_proxy(composed: dict[str, Any]) -> None:
    """The name must be given, the health check's stays allowed, and one address alone may speak for others."""
    for name in ("reader", "desk"):
        settings = composed["services"][name]["environment"]
        assert "${SERVICE_NAME:?" in settings["CODER_ASSIST_ALLOWED_HOSTS"]
        written = re.sub(r"\$\{.*?\}", "coding.example.org", settings["CODER_ASSIST_ALLOWED_HOSTS"])
        assert json.loads(written) == ["coding.example.org", "127.0.0.1"]
        (edge,) = composed["networks"]["edge"]["ipam"]["config"]
        assert settings["FORWARDED_ALLOW_IPS"] == edge["gateway"]
        assert ip_address(edge["gateway"]) in ip_network(edge["subnet"])


def test_what_is_copied_is_there(steps: list[tuple[str, str]]) -> None:
    """Every file that goes into the image is in the repository, and no secret, corpus or test does."""
    copied = [
        word for name, what in steps if name == "COPY" and "--from" not in what for word in what.split()[:-1]
    ]
    assert copied and all((ROOT / word).exists() for word in copied)
    assert not {"tests", "corpora", "."} & set(copied)


def test_every_setting_is_one(steps: list[tuple[str, str]], composed: dict[str, Any]) -> None:
    """The image and the compose file set nothing that the service does not know."""
    named = set(re.findall(r"CODER_ASSIST_[A-Z_]+", (ROOT / "Dockerfile").read_text()))
    named |= set(re.findall(r"CODER_ASSIST_[A-Z_]+", (ROOT / "compose.yaml").read_text()))
    assert named <= SETTINGS
    assert any("CODER_ASSIST_DEMO=false" in what for name, what in steps if name == "ENV")


def test_the_services_are_confined(composed: dict[str, Any]) -> None:
    """No service of ours may write to its root, gain rights or listen beyond this machine; the database is inside."""
    services = composed["services"]
    for name in ("upgrade", "reader", "desk"):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert not any("PASSWORD" in str(value) for value in service["environment"].values())
    assert services["database"]["networks"] == ["inside"] and "ports" not in services["database"]
    assert composed["networks"]["inside"]["internal"] is True
    wait = services["reader"]["depends_on"]["upgrade"]["condition"]
    assert wait == "service_completed_successfully"
    assert set(composed["secrets"]) == {"audit-key", "database-password"}

"""The description is kept: schemathesis asks every operation everything its OpenAPI allows, and what it does not."""

from __future__ import annotations

import shutil
import warnings
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from coder_assist.api import create_app
from coder_assist.api.access import ACCESS, Access, Opening
from coder_assist.review.importing import from_records
from coder_assist.review.queue import work_once
from coder_assist.review.records import Actor
from coder_assist.review.states import Role
from coder_assist.settings import Settings
from coder_assist.suggest import Coder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.generation import GenerationMode

from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from tests.api.conftest import Furnished

pytestmark = pytest.mark.slow

NOTE = {
    "id": "visit-1",
    "text": "Assessment:\n1. Type 2 diabetes mellitus with neuropathy\n2. Hypertension\n",
}


@pytest.fixture(scope="module")
def served(coder: Coder, furnished: Furnished, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A service with an encounter that was read, as the examples of the description speak of."""
    home = tmp_path_factory.mktemp("contract")
    shutil.copytree(furnished.home, home, dirs_exist_ok=True)
    app = create_app(
        Settings(data_dir=home, queue_workers=0, requests_per_minute=10_000_000),
        coder,
    )
    review = app.state.service.open()
    review.store.import_encounters(Actor("lead", Role.LEAD), from_records([NOTE]))
    review.store.queue.want_missing(coder.pack.version)
    assert work_once(review.store.queue, "test", coder.pack.version, coder.suggest)
    yield app
    app.state.service.close()


@pytest.fixture(scope="module")
def api_schema(served: Any) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", served, headers={"Host": "localhost"})


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.name.lower())
@pytest.mark.parametrize("rule", ACCESS, ids=lambda rule: f"{rule.method} {rule.path}")
def test_the_service_is_as_described(
    api_schema: Any, furnished: Furnished, rule: Access, mode: GenerationMode
) -> None:
    """No failure of the service, no undocumented status, header or body, whatever is asked."""
    headers = {"Host": "localhost"}
    if rule.opening is not Opening.ANYBODY:
        headers["Authorization"] = f"Bearer {furnished.secrets[sorted(rule.roles)[0].value]}"

    @settings(
        max_examples=20,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api_schema[rule.path][rule.method].as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        answer = case.call(headers=headers)
        # Who may not come in is test_access.py's; here everybody may. And a request in the documented form may
        # still be refused for what it says (a state, a code that no system has), but never for its form.
        case.validate_response(answer, excluded_checks=[ignored_auth, positive_data_acceptance])
        if mode is GenerationMode.POSITIVE:
            assert answer.status_code not in (400, 405, 415), answer.text
            assert "expected the documented form of" not in answer.text

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # an operation without parameters cannot be asked wrongly

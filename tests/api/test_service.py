"""What holds for every request: readiness, problems, silence about notes, the description."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema_rs
import pytest

from coder_assist.api import create_app
from coder_assist.api.access import RULES
from coder_assist.api.app import PARTS
from coder_assist.api.problems import KINDS
from coder_assist.api.schemas import ProblemDetails
from coder_assist.errors import PackError
from coder_assist.settings import Settings
from coder_assist.suggest import Coder

pytestmark = pytest.mark.anyio

CANARY = "Zanzibarine-Quux-90817"
JSON = {"Content-Type": "application/json"}


async def test_the_service_is_alive_before_it_is_ready(
    connect: Any, coder: Coder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the coder loads, /healthz answers and what needs the coder says 503; then all answers."""
    go = threading.Event()

    def slow(*args: object, **options: object) -> Coder:
        go.wait(30)
        return coder

    monkeypatch.setattr(Coder, "load", slow)
    async with connect() as client:
        try:
            assert (await client.get("/healthz")).json() == {"status": "alive"}
            assert (await client.get("/")).status_code == 200
            for answer in (
                await client.get("/readyz"),
                await client.post("/v1/suggest", json={"id": "n1", "text": "Asthma."}),
                await client.post("/v1/suggest:batch", json={"notes": []}),
                await client.get("/v1/codes/ICD-10-CM/I10"),
                await client.get("/v1/codes/search?q=gout"),
            ):
                assert answer.status_code == 503
                assert answer.json()["type"] == "urn:coder-assist:problem:not-ready"
                assert answer.headers["retry-after"]
        finally:
            go.set()
        with anyio.fail_after(30):
            while (ready := await client.get("/readyz")).status_code == 503:
                await anyio.sleep(0.05)
        assert ready.json()["pack"] == coder.pack.version
        assert (await client.post("/v1/suggest", json={"id": "n1", "text": "Asthma."})).status_code == 200


@pytest.mark.parametrize("error", [PackError(f"pack {CANARY}: changed"), RuntimeError(CANARY)])
async def test_a_failed_load_is_told(
    connect: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """A service that cannot load stays up and not ready, with the kind of failure and no path."""

    def broken(*args: object, **options: object) -> Coder:
        raise error

    monkeypatch.setattr(Coder, "load", broken)
    async with connect() as client:
        with anyio.fail_after(10):
            while "failed" not in (answer := await client.get("/readyz")).text:
                await anyio.sleep(0.01)
        assert answer.status_code == 503
        assert type(error).__name__ in answer.json()["detail"]
        assert CANARY not in answer.text
    assert "loading" in caplog.text
    # What the project raises on purpose holds no note text and tells the operator what to do.
    assert (CANARY in caplog.text) == isinstance(error, PackError)


async def test_a_given_coder_is_ready(client: httpx.AsyncClient, coder: Coder) -> None:
    """With a coder given by hand, the service is ready at once, and says with which data."""
    answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["code_books"] == coder.library.versions()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/docs", 404),
        ("GET", "/redoc", 404),
        ("GET", "/healthz/", 404),
        ("GET", "/v1/codes/ICD-10-CM/a/b", 404),
        ("GET", "/v1/suggest", 405),
        ("DELETE", "/v1/suggest:batch", 405),
        ("POST", "/v1/codes/search", 405),
        ("OPTIONS", "/v1/suggest", 405),
    ],
)
async def test_the_router_answers_with_problems(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    """Addresses and methods that are not there are problems too; a 405 says what is allowed."""
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert ProblemDetails.model_validate(answer.json()).status == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (status == 405) == ("allow" in answer.headers)


class Broken:
    """A coder whose failures quote the note, as a careless library's do."""

    def suggest(self, work: Any) -> None:
        try:
            raise ValueError(f"cannot read {work.notes[0].text!r}")
        except ValueError as error:
            raise RuntimeError(work.notes[0].text) from error


async def test_an_unforeseen_failure_tells_nothing(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A failure that quotes the note is a bare 500; the log has its type and place, not its words."""
    caplog.set_level(logging.DEBUG)
    note = {"id": "n1", "text": CANARY}
    async with connect(Broken()) as client:
        alone = await client.post("/v1/suggest", json=note)
        batch = await client.post("/v1/suggest:batch", json={"notes": [note, {"id": "n2"}]})
    assert alone.status_code == 500
    assert alone.json()["type"] == "urn:coder-assist:problem:internal-error"
    assert [item["error"]["status"] for item in batch.json()["predictions"]] == [500, 422]
    assert CANARY not in alone.text + batch.text + caplog.text
    assert "RuntimeError in suggest (" in caplog.text
    assert alone.headers["x-request-id"] in caplog.text
    assert "note 'n1' failed" in caplog.text
    assert all(record.exc_info is None for record in caplog.records)


BAD_BODIES: list[bytes] = [
    json.dumps(body).encode()
    for body in (
        {"text": CANARY},
        {"id": CANARY * 10, "text": CANARY},
        {"id": "n1", "text": [CANARY]},
        {"id": "n1", "text": {CANARY: CANARY}},
        {"id": "n1", "text": CANARY + " \ud800"},
        {"id": "n1", "text": CANARY, "setting": CANARY},
        {"id": "n1", "text": CANARY, "claim": CANARY, "sex": CANARY, "age": CANARY},
        {"id": "n1", "text": CANARY, "service_date": CANARY, "specialty": [CANARY]},
        {"id": "n1", "text": CANARY, "specialty": CANARY * 20},
        {CANARY: CANARY},
        [CANARY],
        CANARY,
        {"notes": CANARY},
        {"notes": [CANARY, {"text": CANARY}, {"id": "n1", "text": CANARY, "setting": CANARY}]},
        {"notes": [{"id": "n1", "text": CANARY}] * 65},
    )
] + [
    f'{{"id": "n1", "text": "{CANARY}'.encode(),
    f'{{"id": "n1", "text": "{CANARY}\t"}}'.encode(),
    f"{CANARY}".encode(),
    CANARY.encode() + b"\xff",
    f'{{"id": "n1", "text": "{CANARY}{" " * 6000}"}}'.encode(),
    f'{{"id": "n1", "text": "{CANARY}{"a " * 201_000}"}}'.encode(),
]


@pytest.mark.parametrize("path", ["/v1/suggest", "/v1/suggest:batch"])
@pytest.mark.parametrize("declared", ["application/json", "text/plain"])
async def test_no_refusal_repeats_a_note(
    connect: Any, coder: Coder, caplog: pytest.LogCaptureFixture, path: str, declared: str
) -> None:
    """However a request is wrong, its answer and the log hold nothing of the note."""
    caplog.set_level(logging.DEBUG)
    async with connect(coder, max_body_bytes=450_000) as client:
        for body in BAD_BODIES:
            answer = await client.post(path, content=body, headers={"Content-Type": declared})
            # The one body that is in order has blanks after its words.
            if answer.status_code == 200 and path == "/v1/suggest":
                assert body.count(b" " * 6000) == 1
            else:
                assert CANARY not in answer.text
    assert CANARY not in caplog.text


async def test_the_log_has_no_addresses(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    """A log line names the operation, status, duration and request, not what stood in path or query."""
    caplog.set_level(logging.INFO, "coder_assist")
    answers = [
        await client.get(f"/v1/codes/ICD-10-CM/{CANARY}"),
        await client.get("/v1/codes/search", params={"q": CANARY}),
        await client.get(f"/{CANARY}"),
        await client.post("/v1/suggest", json={"id": "n1", "text": f"{CANARY}: asthma."}),
    ]
    lines = [record.getMessage() for record in caplog.records if record.name == "coder_assist.api"]
    assert [line.split(" ms ")[0].rsplit(" ", 1)[0] for line in lines] == [
        "GET /v1/codes/{system}/{code} 404",
        "GET /v1/codes/search 200",
        "GET (no route) 404",
        "POST /v1/suggest 200",
    ]
    assert all(answer.headers["x-request-id"] in line for answer, line in zip(answers, lines, strict=True))
    assert CANARY not in "".join(lines)


async def test_the_root_links(client: httpx.AsyncClient) -> None:
    """The root names where the operations are, and every plain link answers."""
    links = (await client.get("/")).json()["links"]
    for link in ("openapi", "alive", "ready"):
        assert (await client.get(links[link])).status_code == 200
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert {link.partition("?")[0] for link in links.values()} - {"/openapi.json"} <= set(paths)


def description() -> dict[str, Any]:
    return create_app(Settings(max_batch_notes=5)).openapi()


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in description()["paths"].items()
        for method, operation in methods.items()
    ]


def references(node: object) -> list[str]:
    if isinstance(node, dict):
        found = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return found + [ref for value in node.values() for ref in references(value)]
    return [ref for value in node for ref in references(value)] if isinstance(node, list) else []


def test_every_reference_of_the_description_leads_somewhere() -> None:
    """No $ref of the OpenAPI description is left dangling, and FastAPI's own error form is not in it."""
    described = description()
    schemas = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert set(references(described)) <= schemas
    assert not any("HTTPValidationError" in name for name in schemas)
    assert described["components"]["schemas"]["NoteBatch"]["properties"]["notes"]["maxItems"] == 5


def test_every_body_has_an_example() -> None:
    """What an operation takes is shown by an example, of each type that it takes."""
    for method, path, operation in operations():
        for media, body in operation.get("requestBody", {}).get("content", {}).items():
            assert {"example", "examples"} & set(body), (method, path, media)


def test_every_operation_is_described() -> None:
    """Each operation has an id of its own, a tag, a summary, an example answer and its problems."""
    found = operations()
    assert len({operation["operationId"] for _, _, operation in found}) == len(found)
    assert {(method.upper(), path) for method, path, _ in found} == set(RULES)
    for _, _, operation in found:
        assert operation["tags"]
        assert operation["description"]
        assert "500" in operation["responses"]
        for status, response in operation["responses"].items():
            if status in ("204", "303", "304"):
                assert not response.get("content")
            elif status.startswith("2"):
                assert all(content["example"] for content in response["content"].values())
            else:
                assert list(response["content"]) == ["application/problem+json"]
                for example in response["content"]["application/problem+json"]["examples"].values():
                    assert ProblemDetails.model_validate(example["value"]).status == int(status)


def test_the_examples_are_in_their_own_form() -> None:
    """Example answers are valid by the schemas that describe them, and evidence cuts its text."""
    described = description()
    for route in (route for part in PARTS for route in part.router.routes):
        for status, response in route.responses.items():
            if (content := response.get("content", {}).get("application/json")) and "example" in content:
                operation = described["paths"][route.path][next(iter(route.methods)).lower()]
                answer = operation["responses"][str(status)]["content"]["application/json"]
                schema = {**answer["schema"], "components": described["components"]}
                jsonschema_rs.validate(schema, content["example"])  # the description itself leaves nulls out
    for _, _, operation in operations():
        if operation["operationId"] == "suggest":
            text = operation["requestBody"]["content"]["application/json"]["example"]["text"]
            example = operation["responses"]["200"]["content"]["application/json"]["example"]
            for item in example["suggestions"] + example["withheld"]:
                for evidence in item["evidence"]:
                    assert text[evidence["start"] : evidence["end"]] == evidence["text"]


def test_the_example_bodies_are_in_their_own_form() -> None:
    """Example requests are valid by the schemas that describe them."""
    described = description()
    for _, _, operation in operations():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            schema = {**content["schema"], "components": described["components"]}
            examples = [content["example"]] if "example" in content else []
            for example in examples + [item["value"] for item in content.get("examples", {}).values()]:
                jsonschema_rs.validate(schema, example)


async def test_the_example_requests_work(client: httpx.AsyncClient) -> None:
    """What the description gives as an example request is answered, with the codes of its example answer."""
    for method, path, operation in operations():
        if operation["operationId"] in ("suggest", "suggestBatch"):
            content = operation["requestBody"]["content"]["application/json"]
            answer = await client.request(method, path, json=content["example"])
            assert answer.status_code == 200
            if operation["operationId"] == "suggest":
                assert "I10" in {suggestion["code"] for suggestion in answer.json()["suggestions"]}
                assert "J18.9" in {withheld["code"] for withheld in answer.json()["withheld"]}


def test_every_kind_of_problem_is_documented() -> None:
    """Each kind of problem but those of the router stands with an operation that may answer with it."""
    documented = {
        kind
        for _, _, operation in operations()
        for response in operation["responses"].values()
        for kind in response.get("content", {}).get("application/problem+json", {}).get("examples", {})
    }
    # These the edge of the service gives, whatever the operation.
    assert documented == set(KINDS) - {"method-not-allowed", "misdirected"}


def test_nothing_is_reported_elsewhere() -> None:
    """FastAPI's own telemetry, where it has one, is off."""
    app = create_app(Settings())
    telemetry = getattr(app, "_telemetry", None)
    assert telemetry is None or not any(
        telemetry[part] for part in ("tracing", "metrics", "logs", "operation_spans", "auto_configure")
    )


async def test_a_client_that_leaves_is_no_failure(coder: Coder, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends within the body is logged with status 0, and nothing is sent."""
    caplog.set_level(logging.INFO, "coder_assist")
    sent: list[Any] = []
    messages = iter(
        [{"type": "http.request", "body": b'{"id"', "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/suggest",
        "raw_path": b"/v1/suggest",
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), (b"content-type", b"application/json")],
    }
    await create_app(Settings(), coder)(scope, receive, send)
    assert sent == []
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "POST /v1/suggest 0 " in caplog.text


async def test_a_live_connection_that_is_no_request_passes(coder: Coder, tmp_path: Path) -> None:
    """The boundary leaves the server's lifespan messages to the application."""
    app = create_app(Settings(data_dir=tmp_path), coder)
    sent: list[Any] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]

"""POST /v1/suggest and /v1/suggest:batch."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest

from coder_assist.api.schemas import NoteRecord, Prediction, PredictionBatch
from coder_assist.errors import InputError
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_record, run_record

pytestmark = pytest.mark.anyio

TEXT = "Assessment:\n1. Type 2 diabetes mellitus with diabetic neuropathy\n2. Hypertension\nNo pneumonia.\n"
NOTE = {"id": "n1", "text": TEXT}
JSON = {"Content-Type": "application/json"}


def codes(prediction: dict[str, Any]) -> set[str]:
    return {suggestion["code"] for suggestion in prediction["suggestions"] if suggestion["selected"]}


async def test_a_note_gets_its_codes(client: httpx.AsyncClient, coder: Coder) -> None:
    """A note is answered with the run that the coder gives, as the machine interface writes it."""
    answer = await client.post("/v1/suggest", json=NOTE)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == run_record(coder.suggest(read_record(NOTE)))
    assert {"E11.40", "I10"} <= codes(answer.json())
    assert "J18.9" in {withheld["code"] for withheld in answer.json()["withheld"]}
    Prediction.model_validate_json(answer.content)


async def test_answers_are_not_stored(client: httpx.AsyncClient) -> None:
    """Answers about notes, also refusals, forbid caching and content sniffing."""
    for body in (NOTE, {"id": "n1"}):
        headers = (await client.post("/v1/suggest", json=body)).headers
        assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")


async def test_the_encounter_is_heard(client: httpx.AsyncClient) -> None:
    """A probable diagnosis is judged by setting and claim: only an inpatient facility claim selects it."""
    note = {"id": "n1", "text": "Assessment:\n1. Probable pneumonia\n"}
    outpatient = (await client.post("/v1/suggest", json=note)).json()
    inpatient = (
        await client.post("/v1/suggest", json=note | {"setting": "inpatient", "claim": "facility"})
    ).json()
    assert codes(outpatient) != codes(inpatient)


async def test_a_date_without_an_edition_gets_a_notice(client: httpx.AsyncClient) -> None:
    """A date of service that no installed edition covers is said in notices."""
    answer = (await client.post("/v1/suggest", json=NOTE | {"service_date": "1999-01-01"})).json()
    assert "1999-01-01" in answer["notices"][0]


async def test_offsets_count_code_points(client: httpx.AsyncClient) -> None:
    """Behind an emoji, which JavaScript counts twice, evidence still cuts its own text out of the note."""
    text = "👩🏽‍⚕️ HPI: 😀 fine.\nAssessment:\n1. Hypertension 😀\n2. Asthma\n"
    prediction = (await client.post("/v1/suggest", json={"id": "e", "text": text})).json()
    evidence = [e for suggestion in prediction["suggestions"] for e in suggestion["evidence"]]
    assert {"Hypertension", "Asthma"} <= {e["text"] for e in evidence}
    assert all(text[e["start"] : e["end"]] == e["text"] for e in evidence)


async def test_nul_is_a_character(client: httpx.AsyncClient) -> None:
    """A note with NUL characters is read, and its offsets count them."""
    text = "\x00\x00Assessment:\x00\n1. Hypertension\x00\n"
    answer = await client.post("/v1/suggest", json={"id": "nul\x00", "text": text})
    assert answer.status_code == 200
    spans = [e for suggestion in answer.json()["suggestions"] for e in suggestion["evidence"]]
    assert all(text[e["start"] : e["end"]] == e["text"] for e in spans)


@pytest.mark.parametrize("field", ["id", "text", "specialty"])
async def test_half_a_surrogate_pair_is_refused(client: httpx.AsyncClient, field: str) -> None:
    """A string that UTF-8 cannot write is refused with its field, not answered with 500."""
    body = json.dumps({"id": "n1", "text": "Hypertension."} | {field: "abc \ud83d"})
    answer = await client.post("/v1/suggest", content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"#/{field}"
    assert "surrogate pair at character 4" in answer.json()["detail"]


async def test_a_whole_surrogate_pair_is_a_character(client: httpx.AsyncClient) -> None:
    r"""An emoji that JSON spells as \\ud83d\\ude00 is one code point."""
    body = b'{"id": "n1", "text": "\\ud83d\\ude00 hypertension"}'
    answer = (await client.post("/v1/suggest", content=body, headers=JSON)).json()
    assert answer["suggestions"][0]["evidence"][0]["start"] == 2


@pytest.mark.parametrize(
    ("note", "pointer", "expected"),
    [
        ({"text": "x"}, "#/id", "got nothing"),
        ({"id": "n1"}, "#/text", "got nothing"),
        ({"id": "n1", "text": 3}, "#/text", "got a number"),
        ({"id": "n1", "text": "x", "setting": "ward"}, "#/setting", "outpatient, inpatient"),
        ({"id": "n1", "text": "x", "claim": "ward"}, "#/claim", "professional, facility"),
        ({"id": "n1", "text": "x", "sex": "ward"}, "#/sex", "female, male, unknown"),
        ({"id": "n1", "text": "x", "age": 400}, "#/age", "0 to 130"),
        ({"id": "n1", "text": "x", "service_date": "ward"}, "#/service_date", "YYYY-MM-DD"),
        ([], "#", "an object"),
        ("text", "#", "an object"),
    ],
)
async def test_a_wrong_field_is_pointed_at(
    client: httpx.AsyncClient, note: object, pointer: str, expected: str
) -> None:
    """A record in the wrong form is refused with the place and what is allowed there."""
    answer = await client.post("/v1/suggest", json=note)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:coder-assist:problem:invalid-request"
    (error,) = problem["errors"]
    assert error["pointer"] == pointer
    assert expected in error["detail"]


@pytest.mark.parametrize("text", ["", " \n\t", "\u00a0"])
async def test_an_empty_note_is_unreadable(client: httpx.AsyncClient, text: str) -> None:
    """A note without a visible character is refused by its id."""
    answer = await client.post("/v1/suggest", json={"id": "n7", "text": text})
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:coder-assist:problem:unreadable-note"
    assert "'n7' is empty" in answer.json()["detail"]


async def test_a_long_note_is_unreadable(client: httpx.AsyncClient) -> None:
    """A note longer than the coder accepts is refused with both lengths."""
    answer = await client.post("/v1/suggest", json={"id": "n7", "text": "a " * 100_001})
    assert answer.status_code == 422
    assert "200,002 characters; expected at most 200,000" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "line 1, column 1"),
        (b'{"id": "n1", ', "line 1, column 1"),
        (b'{"id": "\xff\xfe"}', "expected UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"age": ' + b"9" * 5000 + b"}", "too many digits"),
    ],
)
async def test_what_is_not_json_is_refused(client: httpx.AsyncClient, body: bytes, expected: str) -> None:
    """A body that cannot be decoded is a 400 that says where, not what."""
    answer = await client.post("/v1/suggest", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:coder-assist:problem:malformed-json"
    assert expected in answer.json()["detail"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_an_age_is_finite(client: httpx.AsyncClient, number: str) -> None:
    """NaN and infinity, which Python's reader lets pass, are no ages."""
    body = f'{{"id": "n1", "text": "x", "age": {number}}}'
    assert (await client.post("/v1/suggest", content=body, headers=JSON)).status_code == 422


@pytest.mark.parametrize(
    "declared", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_a_body_is_declared_as_json(client: httpx.AsyncClient, declared: str | None) -> None:
    """A body that a plain HTML form of another site could send is refused."""
    headers = {"Content-Type": declared} if declared else {}
    answer = await client.post("/v1/suggest", content=json.dumps(NOTE).encode(), headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("declared", ["application/json; charset=utf-8", "application/vnd.notes+json"])
async def test_json_may_have_parameters(client: httpx.AsyncClient, declared: str) -> None:
    """A charset, or a vendor's JSON, is JSON."""
    headers = {"Content-Type": declared}
    answer = await client.post("/v1/suggest", content=json.dumps(NOTE).encode(), headers=headers)
    assert answer.status_code == 200


async def test_a_batch_keeps_its_order(client: httpx.AsyncClient) -> None:
    """Each note of a batch has the answer that it gets alone, in its place."""
    notes = [{"id": f"n{i}", "text": text} for i, text in enumerate(["Asthma.", TEXT, "Gout.", "Asthma."])]
    alone = [(await client.post("/v1/suggest", json=note)).json() for note in notes]
    answer = await client.post("/v1/suggest:batch", json={"notes": notes})
    assert answer.status_code == 200
    assert answer.json() == {"predictions": alone}
    assert answer.headers["cache-control"] == "no-store"


async def test_a_bad_note_fails_alone(client: httpx.AsyncClient) -> None:
    """A note that cannot be read is a problem in its place; the others are answered."""
    notes = [NOTE, {"id": "n2", "text": ""}, 7, {"id": "n4"}, {"text": "x"}, NOTE | {"id": "n6"}]
    answer = await client.post("/v1/suggest:batch", json={"notes": notes})
    assert answer.status_code == 200
    PredictionBatch.model_validate_json(answer.content)
    items = answer.json()["predictions"]
    assert [item["id"] for item in items] == ["n1", "n2", None, "n4", None, "n6"]
    assert ["error" in item for item in items] == [False, True, True, True, True, False]
    assert [item["error"]["status"] for item in items if "error" in item] == [422] * 4


async def test_an_empty_batch_is_answered(client: httpx.AsyncClient) -> None:
    """No notes, no predictions."""
    assert (await client.post("/v1/suggest:batch", json={"notes": []})).json() == {"predictions": []}


@pytest.mark.parametrize("body", [{}, [], {"notes": None}, {"notes": {"id": "n1"}}, NOTE])
async def test_a_batch_is_a_list_of_notes(client: httpx.AsyncClient, body: object) -> None:
    """A batch without its list is refused as a whole."""
    answer = await client.post("/v1/suggest:batch", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "#/notes"


async def test_a_batch_has_an_end(connect: Any, coder: Coder) -> None:
    """One note more than max_batch_notes is refused; as many are answered."""
    async with connect(coder, max_batch_notes=2) as client:
        assert (await client.post("/v1/suggest:batch", json={"notes": [NOTE] * 2})).status_code == 200
        answer = await client.post("/v1/suggest:batch", json={"notes": [NOTE] * 3})
    assert answer.status_code == 422
    assert "at most 2; got 3" in answer.json()["detail"]


def body_of(size: int) -> bytes:
    start = b'{"id": "n1", "text": "Asthma. '
    return start + b" " * (size - len(start) - 2) + b'"}'


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 500):
        yield body[at : at + 500]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_has_a_size(connect: Any, coder: Coder, chunked: bool) -> None:
    """A body of max_body_bytes is read and a byte more is refused, declared or sent in chunks."""
    async with connect(coder, max_body_bytes=2000) as client:
        answers = [
            await client.post("/v1/suggest", content=in_chunks(body) if chunked else body, headers=JSON)
            for body in (body_of(2000), body_of(2001), body_of(9000))
        ]
    assert [answer.status_code for answer in answers] == [200, 413, 413]
    assert answers[1].headers["content-type"] == "application/problem+json"
    assert "at most 2,000 bytes" in answers[1].json()["detail"]
    assert answers[1].headers["cache-control"] == "no-store"


async def test_an_endless_body_is_not_read_to_its_end(connect: Any, coder: Coder) -> None:
    """A stream is cut at the limit: the service does not take what it will refuse."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b" " * 1000

    async with connect(coder, max_body_bytes=5000) as client:
        answer = await client.post("/v1/suggest", content=endless(), headers=JSON)
    assert answer.status_code == 413
    assert sent <= 7000


async def test_many_at_once_are_answered_alike(connect: Any, coder: Coder) -> None:
    """Requests that run together get the bytes that they get one by one."""
    texts = [
        TEXT,
        "HPI: 😀 cough. Denies fever.\nAssessment: asthma, gout.\n",
        "PMH: hypertension, CKD stage 3.",
    ]
    notes = [{"id": f"n{i}", "text": text * (1 + i)} for i, text in enumerate(texts)]
    async with connect(coder, workers=4) as client:
        alone = [(await client.post("/v1/suggest", json=note)).content for note in notes]
        together: dict[int, bytes] = {}

        async def ask(place: int) -> None:
            answer = await client.post("/v1/suggest", json=notes[place % len(notes)])
            together[place] = answer.content

        async with anyio.create_task_group() as tasks:
            for place in range(24):
                tasks.start_soon(ask, place)
    assert [together[place] for place in range(24)] == alone * 8


async def test_the_loop_stays_free(connect: Any) -> None:
    """While every worker reads a note, other requests are answered."""
    import threading

    reading, release = threading.Event(), threading.Event()

    class Slow:
        def suggest(self, work: object) -> None:
            reading.set()
            release.wait(20)
            raise InputError("done")

    async with connect(Slow(), workers=1) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.post("/v1/suggest", json=NOTE))
        with anyio.fail_after(10):
            await anyio.to_thread.run_sync(reading.wait, 10)
            assert (await client.get("/healthz")).status_code == 200
        release.set()


RECORDS: list[dict[str, Any]] = [
    {"id": "n1", "text": "x"},
    {"id": "n1", "text": "x", "extra": 1},
    {"id": "n1"},
    {"text": "x"},
    {"id": "", "text": "x"},
    {"id": "  ", "text": "x"},
    {"id": "x" * 200, "text": "x"},
    {"id": "x" * 201, "text": "x"},
    {"id": 1, "text": "x"},
    {"id": "n1", "text": None},
    *({"id": "n1", "text": "x", "setting": value} for value in ("inpatient", "INPATIENT", None, 1, "")),
    *({"id": "n1", "text": "x", "claim": value} for value in ("facility", "x", None)),
    *({"id": "n1", "text": "x", "sex": value} for value in ("female", "f", None)),
    *({"id": "n1", "text": "x", "age": value} for value in (0, 130, 130.5, -0.1, 42.5, "42", True, None)),
    *(
        {"id": "n1", "text": "x", "service_date": value}
        for value in ("2026-05-04", "2026-02-30", "2026-05-04T00:00:00", "20260504", 0, None)
    ),
    *({"id": "n1", "text": "x", "specialty": value} for value in ("cardiology", "", " ", 3, None)),
    *(
        {"id": "n1", "notes": value}
        for value in ([{"id": "a", "text": "x"}], [], None, 3, [3], [{"id": "a"}])
    ),
    {"id": "n1", "text": "x", "notes": [{"id": "a", "text": "x"}]},
    {"id": "n1", "notes": [{"id": "a", "text": "x", "title": "Addendum"}, {"id": "a", "text": "y"}]},
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: json.dumps(record)[:60])
def test_the_described_note_is_the_note_that_is_read(record: dict[str, Any]) -> None:
    """The documented model and the reader agree on what a note's record is."""
    try:
        read_record(record)
        read = True
    except InputError:
        read = False
    try:
        NoteRecord.model_validate_json(json.dumps(record))
        described = True
    except ValueError:
        described = False
    assert described == read

"""Which codes notes support."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Response

from coder_assist.api.boundary import log_failure
from coder_assist.api.dependencies import JsonBody, TheCoder, TheService
from coder_assist.api.guard import MAY_BE_CLOSED, Guarded
from coder_assist.api.problems import documented, invalid, problem_for
from coder_assist.api.schemas import NOTE_EXAMPLE, PREDICTION_EXAMPLE
from coder_assist.errors import InvalidRecordError, NoteError
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_record, run_record

router = APIRouter(prefix="/v1", tags=["suggest"], route_class=Guarded)

_PROBLEMS = documented(
    "malformed-json",
    "body-too-large",
    "unsupported-media-type",
    "invalid-request",
    "unreadable-note",
    "not-ready",
    *MAY_BE_CLOSED,
)
_BATCH_EXAMPLE = {"notes": [NOTE_EXAMPLE, {"id": "visit-2", "text": ""}]}
_EMPTY = problem_for(NoteError("note 'visit-2' is empty; expected clinical text"))
_BATCH_ANSWER = {"predictions": [PREDICTION_EXAMPLE, {"id": "visit-2", "error": _EMPTY.body()}]}


def _json(schema: str, example: object) -> dict[str, Any]:
    """Return the OpenAPI content of a body that this module reads or writes without FastAPI."""
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}}


def _takes(schema: str, example: object) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": _json(schema, example)}}


def _gives(schema: str, example: object) -> dict[int | str, dict[str, Any]]:
    return {200: {"description": "What the notes support.", "content": _json(schema, example)}}


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _predict(coder: Coder, record: object) -> bytes:
    return _bytes(run_record(coder.suggest(read_record(record))))


def _predict_or_explain(coder: Coder, record: object) -> bytes:
    """Return a prediction, or a failed note with the problem in its place."""
    id: str | None = None
    try:
        encounter = read_record(record)
        id = encounter.id
        return _bytes(run_record(coder.suggest(encounter)))
    except InvalidRecordError as error:
        return _bytes({"id": error.id, "error": problem_for(error).body()})
    except Exception as error:
        problem = problem_for(error)
        if problem.kind == "internal-error":
            log_failure(error, f"note {id!r}")
        return _bytes({"id": id, "error": problem.body()})


@router.post(
    "/suggest",
    operation_id="suggest",
    response_class=Response,
    responses=_gives("Prediction", PREDICTION_EXAMPLE) | _PROBLEMS,
    openapi_extra=_takes("NoteRecord", NOTE_EXAMPLE),
)
async def suggest(coder: TheCoder, service: TheService, body: JsonBody) -> Response:
    """Return the codes that a note supports, each with the characters of the note it rests on."""
    answer = await service.work(partial(_predict, coder, body))
    return Response(answer, media_type="application/json")


@router.post(
    "/suggest:batch",
    operation_id="suggestBatch",
    response_class=Response,
    responses=_gives("PredictionBatch", _BATCH_ANSWER) | _PROBLEMS,
    openapi_extra=_takes("NoteBatch", _BATCH_EXAMPLE),
)
async def suggest_batch(coder: TheCoder, service: TheService, body: JsonBody) -> Response:
    """Return the answers to several notes in their order; a note that cannot be read fails alone."""
    notes = body.get("notes") if isinstance(body, Mapping) else None
    if not isinstance(notes, list):
        raise invalid("expected an object with notes, an array of note records", "#/notes")
    most = service.settings.max_batch_notes
    if len(notes) > most:
        raise invalid(
            f"notes: expected at most {most}; got {len(notes)}. Send them in several requests", "#/notes"
        )
    # A note at a time: a batch never holds more than one worker, and single notes pass between its notes.
    answers = [await service.work(partial(_predict_or_explain, coder, note)) for note in notes]
    return Response(b'{"predictions":[' + b",".join(answers) + b"]}", media_type="application/json")

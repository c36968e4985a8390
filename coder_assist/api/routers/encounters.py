"""The worklist, and what is on the table when an encounter is opened."""

from __future__ import annotations

import json
from functools import partial
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Request, Response
from fastapi.encoders import jsonable_encoder

from coder_assist.api.dependencies import JsonBody, TheCoder, TheKey, TheReview, TheService
from coder_assist.api.guard import Guarded, TheCaller
from coder_assist.api.parameters import EncounterId, actor, changes, reads
from coder_assist.api.problems import invalid
from coder_assist.api.review_bodies import (
    AssignBody,
    ClaimNextBody,
    CommentBody,
    NoteBody,
    PhraseBody,
)
from coder_assist.api.review_examples import (
    COMMENT_EXAMPLE,
    DESK_EXAMPLE,
    EVENT_EXAMPLE,
    IMPORT_EXAMPLE,
    ITEM_EXAMPLE,
    NOTE_CHANGE_EXAMPLE,
    RUN_EXAMPLE,
    SUGGESTION_EXAMPLE,
    content,
)
from coder_assist.api.review_schemas import (
    CommentAnswer,
    DeskAnswer,
    EncounterItem,
    History,
    ImportAnswer,
    NoteChangeAnswer,
    RunAnswer,
    Suggestions,
    Worklist,
)
from coder_assist.api.schemas import NOTE_EXAMPLE
from coder_assist.review import answers
from coder_assist.review.audit_log import as_record
from coder_assist.review.audits import still_veiled
from coder_assist.review.fhir import from_fhir
from coder_assist.review.importing import from_records
from coder_assist.review.records import Sort, WorklistFilter
from coder_assist.review.states import EncounterState
from coder_assist.suggest.wire import suggestion_record
from coder_assist.types import Setting

router = APIRouter(prefix="/v1/encounters", tags=["encounters"], route_class=Guarded)

MOST_ITEMS = 1000


@router.get("", operation_id="listEncounters", responses=reads({"items": [ITEM_EXAMPLE], "next": None}))
def list_encounters(
    caller: TheCaller,
    review: TheReview,
    state: Annotated[
        list[EncounterState] | None, Query(description="Only these states; may come several times.")
    ] = None,
    assigned: Annotated[
        str | None, Query(max_length=64, description="`me`, `none`, or a person's id.", pattern=r"^[ -~]*$")
    ] = None,
    setting: Annotated[Setting | None, Query()] = None,
    specialty: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    q: Annotated[
        str | None, Query(max_length=200, description="How the id begins.", pattern=r"^[^\x00]*$")
    ] = None,
    sort: Annotated[Sort, Query(description="`age`: longest waiting first.")] = Sort.AGE,
    cursor: Annotated[
        str | None, Query(max_length=1000, description="`next` of the page before.", pattern=r"^[!-~]*$")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Worklist:
    """Return a page of the worklist."""
    filter = WorklistFilter(
        states=tuple(state) if state else None,
        assigned=caller.person.id if assigned == "me" else assigned or None,
        setting=setting,
        specialty=specialty or None,
        id_prefix=q or None,
    )
    page = review.store.worklist(filter, sort, cursor or None, limit, actor(caller))
    return Worklist.model_validate(
        {"items": [answers.summary(item) for item in page.items], "next": page.next}
    )


@router.post(
    "",
    operation_id="importEncounters",
    responses=changes(IMPORT_EXAMPLE),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/ImportBody"},
                    "example": {"items": [NOTE_EXAMPLE]},
                },
                "application/fhir+json": {
                    "schema": {
                        "type": "object",
                        "required": ["resourceType"],
                        "properties": {"resourceType": {"enum": ["Bundle", "DocumentReference"]}},
                    },
                    "example": {"resourceType": "Bundle", "type": "collection", "entry": []},
                },
            },
        }
    },
)
async def import_encounters(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    request: Request,
    body: JsonBody,
    dry_run: Annotated[bool, Query(description="Say what would happen, and do nothing.")] = False,
) -> ImportAnswer:
    """Take in note records, or FHIR R4 documents (``application/fhir+json``).

    Duplicates by content are reported, not doubled; a bad item is listed with its reason, the others go in.
    """
    longest = service.settings.max_note_characters
    if not isinstance(body, dict):
        raise invalid("expected an object with items, or a FHIR resource", "#")
    fhir = "fhir" in request.headers.get("content-type", "")
    items = body.get("items")
    if not fhir and not isinstance(items, list):
        raise invalid("expected items, an array of note records", "#/items")
    if isinstance(items, list) and len(items) > MOST_ITEMS:
        raise invalid(f"items: expected at most {MOST_ITEMS}; got {len(items)}", "#/items")

    def take_in() -> dict[str, Any]:
        incoming = from_fhir(body, longest) if fhir else from_records(items or [], longest)
        report = review.store.import_encounters(actor(caller), incoming, dry_run)
        return {
            "imported": list(report.imported),
            "duplicates": [{"id": item.id, "of": item.of} for item in report.duplicates],
            "failed": [{"index": item.index, "id": item.id, "error": item.error} for item in report.failed],
        }

    return ImportAnswer.model_validate(await service.talk(take_in))


@router.post(
    "/claim-next",
    operation_id="claimNext",
    response_model=EncounterItem,
    responses=changes(ITEM_EXAMPLE) | {204: {"description": "Nothing is waiting."}},
)
def claim_next(
    caller: TheCaller,
    review: TheReview,
    body: Annotated[ClaimNextBody | None, Body(openapi_examples=content({"specialty": "Cardiology"}))] = None,
) -> Any:
    """Assign the next waiting encounter to the caller: urgent ones first, then the longest waiting."""
    filter = WorklistFilter(setting=body.setting, specialty=body.specialty) if body else None
    row = review.store.claim_next(actor(caller), filter)
    return Response(status_code=204) if row is None else answers.summary(row)


@router.get(
    "/{encounter_id}",
    operation_id="getEncounter",
    response_model=DeskAnswer,
    responses=reads(DESK_EXAMPLE, "not-found")
    | {304: {"description": "Nothing changed since If-None-Match."}},
)
def get_encounter(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    if_none_match: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """Return everything that is on the table: notes, the newest run, decisions, codes and findings.

    An auditor who codes it blind gets the notes alone (``veiled``) until the second coding is there.
    """
    desk = review.store.desk(encounter_id, actor(caller))
    answer = DeskAnswer.model_validate(answers.desk(coder, desk, service.readings))
    content = jsonable_encoder(answer, by_alias=True)
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    etag = f'"{desk.version}.{sha256(body).hexdigest()[:16]}"'
    headers = {"ETag": etag, "Cache-Control": "no-store"}
    if if_none_match is not None and etag in (tag.strip() for tag in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


@router.post(
    "/{encounter_id}/assign",
    operation_id="assignEncounter",
    responses=changes(ITEM_EXAMPLE, "not-found", "wrong-state"),
)
def assign(
    caller: TheCaller,
    review: TheReview,
    encounter_id: EncounterId,
    body: Annotated[AssignBody, Body(openapi_examples=content({"to": "ana-ruiz"}))],
) -> EncounterItem:
    """Give an encounter to a person, or (null) back to the pile."""
    return EncounterItem.model_validate(
        answers.summary(review.store.assign(actor(caller), encounter_id, body.to))
    )


@router.post(
    "/{encounter_id}/suggest",
    operation_id="suggestAgain",
    response_model=RunAnswer,
    responses=changes(RUN_EXAMPLE, "not-found", "wrong-state"),
)
def suggest_again(
    caller: TheCaller, review: TheReview, coder: TheCoder, encounter_id: EncounterId
) -> dict[str, Any]:
    """Ask for a reading of the notes as they stand by the pack in use; one that is there is given back."""
    stored = review.store.queue.want(encounter_id, coder.pack.version, priority=10)
    return answers.run(stored)


@router.post(
    "/{encounter_id}/phrase",
    operation_id="suggestPhrase",
    response_model=Suggestions,
    responses=changes({"suggestions": [SUGGESTION_EXAMPLE]}, "not-found", "wrong-state"),
)
async def suggest_phrase(
    caller: TheCaller,
    review: TheReview,
    service: TheService,
    coder: TheCoder,
    encounter_id: EncounterId,
    body: Annotated[
        PhraseBody, Body(openapi_examples=content({"note_id": "visit-1", "start": 68, "end": 80}))
    ],
) -> dict[str, Any]:
    """Return what just these words of a note support, read with what stands around them."""
    span = body.span()
    desk = await service.talk(partial(review.store.desk, encounter_id, actor(caller)))
    if desk.veiled:
        raise still_veiled(encounter_id)
    note = next((note for note in desk.encounter.notes if note.id == body.note_id), None)
    if note is None:
        raise invalid("expected the id of one of the encounter's notes", "#/note_id")
    if body.end > len(note.text):
        raise invalid(f"expected an end within the note's {len(note.text)} characters", "#/end")
    found = await service.work(partial(coder.suggest_phrase, desk.encounter, note.id, span))
    several = len(desk.encounter.notes) > 1
    return {"suggestions": [suggestion_record(suggestion, several) for suggestion in found]}


@router.post(
    "/{encounter_id}/comments",
    operation_id="comment",
    status_code=201,
    responses=changes(COMMENT_EXAMPLE, "not-found", "key-reused", status=201),
)
def comment(
    caller: TheCaller,
    review: TheReview,
    encounter_id: EncounterId,
    key: TheKey,
    body: Annotated[CommentBody, Body(openapi_examples=content({"text": "Pathology is still due."}))],
) -> CommentAnswer:
    """Add a remark about an encounter."""
    made = review.store.comment(actor(caller), encounter_id, body.text, key)
    return CommentAnswer.model_validate(answers.comment(made))


@router.post(
    "/{encounter_id}/notes",
    operation_id="addNoteVersion",
    status_code=201,
    responses=changes(
        NOTE_CHANGE_EXAMPLE, "not-found", "wrong-state", "unreadable-note", "key-reused", status=201
    ),
)
def add_note_version(
    caller: TheCaller,
    review: TheReview,
    encounter_id: EncounterId,
    key: TheKey,
    body: Annotated[
        NoteBody, Body(openapi_examples=content({"id": "visit-1", "text": "Assessment: hypertension.\n"}))
    ],
) -> NoteChangeAnswer:
    """Add a new version of a note; decisions are carried over where their evidence still stands."""
    change = review.store.add_note_version(actor(caller), encounter_id, body.id, body.text, body.title, key)
    return NoteChangeAnswer(
        note_id=change.note_id,
        note_version=change.note_version,
        carried=list(change.carried),
        stale=list(change.stale),
        version=change.version,
    )


@router.get(
    "/{encounter_id}/history",
    operation_id="getHistory",
    responses=reads({"events": [EVENT_EXAMPLE]}, "not-found", "wrong-state"),
)
def history(caller: TheCaller, review: TheReview, encounter_id: EncounterId) -> History:
    """Return what happened to an encounter, oldest first."""
    return History.model_validate(
        {"events": [as_record(event) for event in review.store.history(encounter_id, actor(caller))]}
    )

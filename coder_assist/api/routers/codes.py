"""What stands in the code books."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from coder_assist.api.dependencies import TheCoder
from coder_assist.api.guard import MAY_BE_CLOSED, Guarded
from coder_assist.api.problems import documented
from coder_assist.api.schemas import (
    CodeDetail,
    CodeSummary,
    InstructionRecord,
    NodeReference,
    SearchResults,
    gives,
)
from coder_assist.codes import CodeBook
from coder_assist.errors import UnknownCode
from coder_assist.review import answers
from coder_assist.types import Code, System

router = APIRouter(prefix="/v1/codes", tags=["codes"], route_class=Guarded)

_SUMMARY_EXAMPLE: dict[str, Any] = {
    "system": "ICD-10-CM",
    "code": "I10",
    "title": "Essential (primary) hypertension",
    "billable": True,
    "parent": "I10-I1A",
}
_DETAIL_EXAMPLE: dict[str, Any] = {
    **_SUMMARY_EXAMPLE,
    "ancestors": [
        {"code": "I10-I1A", "title": "Hypertensive diseases"},
        {"code": "chapter 9", "title": "Diseases of the circulatory system"},
    ],
    "children": [],
    "inclusion_terms": ["high blood pressure"],
    "instructions": [
        {
            "kind": "excludes2",
            "text": "essential (primary) hypertension involving vessels of eye (H35.0-)",
            "from": "I10",
        }
    ],
    "seventh_characters": {},
    "edition": "2026-04",
    "valid_from": "2026-04-01",
    "valid_to": "2026-09-30",
}


def _nodes(book: CodeBook, values: tuple[str, ...]) -> list[NodeReference]:
    return [NodeReference(code=value, title=book.title(value)) for value in values]


@router.get(
    "/search",
    operation_id="searchCodes",
    responses=gives({"results": [_SUMMARY_EXAMPLE]})
    | documented("invalid-request", "not-ready", *MAY_BE_CLOSED),
)
def search_codes(
    coder: TheCoder,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            description="A code's beginning, or words; the last word may be unfinished.",
            openapi_examples={
                "words": {"summary": "words", "value": "hypertens"},
                "code": {"summary": "a code's beginning", "value": "E11.4"},
            },
        ),
    ],
    system: Annotated[System | None, Query(description="Search this system only.")] = None,
    limit: Annotated[int, Query(ge=1, le=50, description="Most results to give.")] = 10,
) -> SearchResults:
    """Return the codes for what someone is typing, best first."""
    found = coder.library.search(q, system, limit)
    return SearchResults(results=[CodeSummary(**answers.entry(entry)) for entry in found])


@router.get(
    "/{system}/{code}",
    operation_id="getCode",
    responses=gives(_DETAIL_EXAMPLE)
    | documented("unknown-code", "invalid-request", "not-ready", *MAY_BE_CLOSED),
)
def get_code(
    coder: TheCoder,
    system: Annotated[System, Path(description="The code system.", examples=["ICD-10-CM"])],
    code: Annotated[
        str,
        Path(
            max_length=40,
            description="The code, in any case, with or without its dot; or the name of a header.",
            examples=["E11.40", "e1140", "E08-E13"],
        ),
    ],
) -> CodeDetail:
    """Return a code or header, its place in the newest edition and the notes that bind it."""
    library = coder.library
    try:
        wanted = Code.parse(system, code)
    except ValueError:
        wanted = Code(system, code)  # a block or chapter, which has a name and no code
    entry = library.entry(wanted)
    book = library.books.get(system)
    if book is None:
        raise UnknownCode(f"no {system} book is installed")
    value = entry.code.value
    return CodeDetail(
        **answers.entry(entry),
        ancestors=_nodes(book, book.ancestors(value)),
        children=_nodes(book, book.children(value)),
        inclusion_terms=list(entry.inclusion_terms),
        instructions=[
            InstructionRecord(kind=note.kind.value, text=note.text, **{"from": note.node})
            for note in book.instructions(value)
        ],
        seventh_characters=book.seventh_characters(value),
        edition=book.edition,
        valid_from=book.valid_from,
        valid_to=book.valid_to,
    )

"""Practice: code a sample note by oneself, then see its author's codes and what the tool would have said."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from coder_assist.api.dependencies import TheCoder, TheService
from coder_assist.api.guard import Guarded, TheCaller
from coder_assist.api.parameters import changes, reads
from coder_assist.api.review_bodies import PracticeBody
from coder_assist.api.review_examples import PRACTICE_ANSWER_EXAMPLE, PRACTICE_CASE_EXAMPLE, content
from coder_assist.api.review_schemas import (
    PracticeAnswer,
    PracticeCases,
    PracticeNote,
)
from coder_assist.api.schemas import NOTE_EXAMPLE
from coder_assist.codes import Library
from coder_assist.errors import InputError, NotFound
from coder_assist.review import answers
from coder_assist.review.demo import CORPORA, samples
from coder_assist.suggest.wire import read_record, suggestion_record
from coder_assist.types import Code

router = APIRouter(prefix="/v1/practice", tags=["practice"], route_class=Guarded)

_NOTE_EXAMPLE = {
    **PRACTICE_CASE_EXAMPLE,
    "claim": "professional",
    "sex": "female",
    "age": 61,
    "text": NOTE_EXAMPLE["text"],
}
CaseId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        description="The case's id.",
        openapi_examples={"first": {"value": "ca-001"}},
    ),
]


@lru_cache(maxsize=1)
def _cases() -> Mapping[str, Mapping[str, Any]]:
    return {str(sample["id"]): sample for sample in samples(CORPORA) if "codes" in sample}


def _case(case_id: str) -> Mapping[str, Any]:
    try:
        return _cases()[case_id]
    except KeyError:
        raise NotFound("practice case", case_id) from None


def _shown(case: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": case["id"],
        "title": case.get("title", ""),
        "setting": case.get("setting", "outpatient"),
        "specialty": case.get("specialty"),
    }


@router.get("", operation_id="listPractice", responses=reads({"cases": [PRACTICE_CASE_EXAMPLE]}))
def list_practice(caller: TheCaller) -> PracticeCases:
    """Return the notes to practise on."""
    return PracticeCases.model_validate({"cases": [_shown(case) for case in _cases().values()]})


@router.get("/{case_id}", operation_id="getPractice", responses=reads(_NOTE_EXAMPLE, "not-found"))
def get_practice(caller: TheCaller, case_id: CaseId) -> PracticeNote:
    """Return a note to practise on, without suggestions."""
    case = _case(case_id)
    return PracticeNote.model_validate(
        {
            **_shown(case),
            "claim": case.get("claim"),
            "sex": case.get("sex", "unknown"),
            "age": case.get("age"),
            "text": case["text"],
        }
    )


@router.post(
    "/{case_id}",
    operation_id="answerPractice",
    response_model=PracticeAnswer,
    responses=changes(PRACTICE_ANSWER_EXAMPLE, "not-found"),
)
async def answer_practice(
    caller: TheCaller,
    coder: TheCoder,
    service: TheService,
    case_id: CaseId,
    body: Annotated[
        PracticeBody, Body(openapi_examples=content({"codes": [{"system": "ICD-10-CM", "code": "I10"}]}))
    ],
) -> dict[str, Any]:
    """Compare one's codes with the author's. Nothing is saved."""
    case = _case(case_id)
    mine = {code.parsed() for code in body.codes}
    gold = {Code.parse(item["system"], item["code"]): item.get("status") for item in case["codes"]}
    required = {code for code, status in gold.items() if status != "optional"}
    right = len(mine & gold.keys())
    found = len(mine & required)
    run = await service.work(partial(coder.suggest, read_record(case)))
    return {
        "gold": [
            {**answers.code(code), "title": _title(coder.library, code), "required": code in required}
            for code in gold
        ],
        "mine": [answers.code(code) for code in sorted(mine)],
        "suggestions": [suggestion_record(suggestion, False) for suggestion in run.suggestions],
        "score": {
            "right": right,
            "wrong": len(mine) - right,
            "missed": len(required) - found,
            "precision": right / len(mine) if mine else None,
            "recall": found / len(required) if required else None,
        },
    }


def _title(library: Library, code: Code) -> str:
    try:
        return library.entry(code).title
    except InputError:
        return ""

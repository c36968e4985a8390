"""How the work stands: a lead's view, and the figures that Prometheus reads."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST

from coder_assist.api.dependencies import TheReview, TheService
from coder_assist.api.guard import Guarded, TheCaller
from coder_assist.api.parameters import actor, reads, refuses
from coder_assist.api.review_examples import OVERVIEW_EXAMPLE
from coder_assist.api.review_schemas import OverviewAnswer
from coder_assist.review import answers
from coder_assist.review.database import now
from coder_assist.review.labels import export_lines

router = APIRouter(tags=["overview"], route_class=Guarded)


@router.get("/v1/overview", operation_id="getOverview", responses=reads(OVERVIEW_EXAMPLE))
def get_overview(
    caller: TheCaller,
    review: TheReview,
    days: Annotated[int, Query(ge=1, le=366, description="How many days back.")] = 14,
) -> OverviewAnswer:
    """Return throughput per day and coder, how long encounters wait, and the queries that are open."""
    until = now()
    seen = review.store.overview(until - timedelta(days=days), until)
    return OverviewAnswer.model_validate(answers.overview(seen))


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses=refuses()
    | {
        200: {
            "description": "Figures without ids, names or text.",
            "content": {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": 'coder_assist_encounters{state="new"} 4.0\n',
                }
            },
        }
    },
)
def metrics(caller: TheCaller, service: TheService) -> Response:
    """Return the service's figures in Prometheus's text format."""
    return Response(service.figures.text(), media_type=CONTENT_TYPE_LATEST)


@router.get(
    "/v1/labels",
    operation_id="exportLabels",
    response_class=StreamingResponse,
    responses=refuses()
    | {
        200: {
            "description": "A coded corpus, a JSON line for each note; `coder-assist train` reads it.",
            "content": {
                "application/jsonl": {
                    "schema": {"type": "string"},
                    "example": '{"id": "visit-1", "text": "...", "codes": [], "rejected": []}\n',
                }
            },
        }
    },
)
def export_labels(caller: TheCaller, review: TheReview) -> StreamingResponse:
    """Return the final decisions as a coded corpus. That they were taken is in the audit log."""
    lines = export_lines(review.database, actor(caller))
    written = (json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    return StreamingResponse(written, media_type="application/jsonl")

"""Coverage-guided fuzzing of what reads foreign text, besides the properties in ``tests/properties``.

    pip install atheris && python -m benchmarks.fuzz {note,line,records,fhir,search} [--seconds 60]

Bytes that reach new branches are varied further. What is not a documented error, words of the input in an error, or
an offset outside of the text ends the run with a traceback and the input that led there in ``crash-*``.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit("fuzzing needs atheris: pip install atheris") from None

with atheris.instrument_imports(include=["coder_assist.text", "coder_assist.suggest", "coder_assist.review"]):
    from coder_assist.errors import InputError, NoteError, RecordError
    from coder_assist.review.fhir import from_fhir
    from coder_assist.review.importing import from_jsonl
    from coder_assist.suggest import Coder, Pack
    from coder_assist.suggest.scoring import WeightedScorer
    from coder_assist.suggest.wire import read_line

from coder_assist.review.demo import samples
from coder_assist.settings import Settings
from coder_assist.types import Note

CODER = Coder.load_with(Pack("hand-set@0", WeightedScorer()), Settings())


def _note(data: bytes) -> None:
    text = atheris.FuzzedDataProvider(data).ConsumeUnicodeNoSurrogates(4000)
    with suppress(NoteError):
        for suggestion in CODER.suggest(Note("n", text)).suggestions:
            assert suggestion.evidence
            for evidence in suggestion.evidence:
                assert evidence.text == text[evidence.span.start : evidence.span.end] != ""


def _line(data: bytes) -> None:
    with suppress(RecordError):
        read_line(1, data)


def _records(data: bytes) -> None:
    for item in from_jsonl(data):
        assert (item.encounter is None) == bool(item.error)


def _fhir(data: bytes) -> None:
    try:
        resource = json.loads(data)
    except (ValueError, RecursionError):
        return
    with suppress(InputError):
        from_fhir(resource)


def _search(data: bytes) -> None:
    query = atheris.FuzzedDataProvider(data).ConsumeUnicodeNoSurrogates(200)
    assert len(CODER.library.search(query, None, 5)) <= 5


TARGETS: dict[str, Callable[[bytes], None]] = {
    "note": _note,
    "line": _line,
    "records": _records,
    "fhir": _fhir,
    "search": _search,
}


# Where to begin: from nothing it would take days to come upon a record.
_PATIENT = {"resourceType": "Patient", "id": "p", "birthDate": "1980-05-01", "gender": "female"}
_DOCUMENT = {
    "resourceType": "DocumentReference",
    "id": "d",
    "context": {"encounter": [{"reference": "Encounter/e"}]},
    "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(b"Gout.").decode()}}],
}
_BUNDLE = {"resourceType": "Bundle", "entry": [{"resource": _DOCUMENT}, {"resource": _PATIENT}]}
_RECORD = {
    "id": "n",
    "text": "Gout.",
    "setting": "inpatient",
    "age": 40,
    "sex": "male",
    "service_date": "2026-03-01",
}
SEEDS: dict[str, tuple[bytes, ...]] = {
    "note": tuple(sample["text"].encode() for sample in samples()),
    "line": (json.dumps(_RECORD).encode(),),
    "records": (json.dumps(_RECORD).encode() + b"\n{}\n",),
    "fhir": (json.dumps(_BUNDLE).encode(), json.dumps(_DOCUMENT).encode()),
    "search": (b"type 2 diabetes", b"E11.9", b"fx left femur"),
}


def main() -> None:
    """Run by the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=60)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS[wanted.target]):
            (Path(corpus) / str(number)).write_bytes(seed)
        flags = [f"-max_total_time={wanted.seconds}", "-max_len=4000", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *flags, corpus], TARGETS[wanted.target])
        atheris.Fuzz()


if __name__ == "__main__":
    main()

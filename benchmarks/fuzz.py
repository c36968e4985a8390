"""Coverage-guided fuzzing of what reads foreign text, besides the properties in ``tests/properties``.

    python -m benchmarks.fuzz {note,line,records,fhir,search,code,marked,ama,...,all} [--seconds 60] [--runs N --seed 1] [--jobs 1]

Bytes that reach new branches of the package are varied further. What is neither read nor refused with its documented
error, or an offset outside of the text, ends the run with a traceback and the input that led there in ``build/fuzz/crash-*``.
``all`` takes the targets in turn, each in a process of its own, and prints a table; the exit code is 1 if
anything was found. Needs the extra ``fuzz`` (atheris), which ``dev`` brings where there are wheels of it.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import atheris
except ImportError:
    raise SystemExit("fuzzing needs atheris: pip install 'coder-assist[fuzz]'") from None

if TYPE_CHECKING:
    from coder_assist.suggest import Coder

Read = Callable[[bytes], object]
ROOT = Path(__file__).parents[1]
FOUND = ROOT / "build" / "fuzz"


def _coder() -> Coder:
    from coder_assist.settings import Settings
    from coder_assist.suggest import Coder, Pack
    from coder_assist.suggest.scoring import WeightedScorer
    from coder_assist.types import Note

    coder = Coder.load_with(Pack("hand-set@0", WeightedScorer()), Settings())
    coder.suggest(Note("warm", "Gout."))
    return coder


def _text(data: bytes, most: int = 4000) -> str:
    # As it stands, so that the seeds mean what they say.
    return data.decode("utf-8", "replace")[:most]


# Each target is made by a function that imports what it reads with: main() has that instrumented.


def _note() -> Read:
    from coder_assist.errors import NoteError
    from coder_assist.types import Note

    coder = _coder()

    def read(data: bytes) -> None:
        text = _text(data)
        with suppress(NoteError):
            for suggestion in coder.suggest(Note("n", text)).suggestions:
                assert suggestion.evidence
                for evidence in suggestion.evidence:
                    assert evidence.text == text[evidence.span.start : evidence.span.end] != ""

    return read


def _line() -> Read:
    from coder_assist.errors import RecordError
    from coder_assist.suggest.wire import read_line

    def read(data: bytes) -> None:
        with suppress(RecordError):
            read_line(1, data)

    return read


def _records() -> Read:
    from coder_assist.review.importing import from_jsonl

    def read(data: bytes) -> None:
        for item in from_jsonl(data):
            assert (item.encounter is None) == bool(item.error)

    return read


def _fhir() -> Read:
    from coder_assist.errors import InputError
    from coder_assist.review.fhir import from_fhir

    def read(data: bytes) -> None:
        try:
            resource = json.loads(data)
        except (ValueError, RecursionError):
            return
        with suppress(InputError):
            from_fhir(resource)

    return read


def _search() -> Read:
    library = _coder().library

    def read(data: bytes) -> None:
        assert len(library.search(_text(data, 200), None, 5)) <= 5

    return read


def _code() -> Read:
    from coder_assist.errors import InputError
    from coder_assist.suggest.rules import sequenced
    from coder_assist.types import Code, System

    def read(data: bytes) -> None:
        text = _text(data, 60)
        for system in System:
            with suppress(ValueError):
                code = Code.parse(system, text)
                assert code.value.isascii() and Code.parse(system, code.value) == code
        with suppress(InputError):
            assert len(sequenced(text.split())) == len(text.split())

    return read


def _marked() -> Read:
    from coder_assist.errors import CorpusError
    from coder_assist.learn.corpus import compile_note

    def read(data: bytes) -> None:
        with suppress(CorpusError):
            record = compile_note(_text(data), "a.txt")
            for code in record["codes"]:
                for evidence in code["evidence"]:
                    assert record["text"][evidence["start"] : evidence["end"]] == evidence["text"]

    return read


def _file(name: str, reader: Callable[[Path], object], documented: type[Exception]) -> Read:
    """Return what writes the bytes into a file of that name and has it read."""
    path = Path(tempfile.mkdtemp(prefix="fuzz-")) / name

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(documented):
            reader(path)

    return read


def _ama() -> Read:
    from coder_assist.codes.listings import read_cpt
    from coder_assist.errors import CodeBookError

    return _file("LONGULT.txt", read_cpt, CodeBookError)


def _hcpcs() -> Read:
    from coder_assist.codes.listings import read_hcpcs
    from coder_assist.errors import CodeBookError

    return _file("HCPC2026_APR_ANWEB.txt", read_hcpcs, CodeBookError)


def _pcs() -> Read:
    from coder_assist.codes.listings import read_pcs
    from coder_assist.errors import CodeBookError

    return _file("icd10pcs_order_2026.txt", read_pcs, CodeBookError)


def _mue() -> Read:
    from coder_assist.errors import CodeBookError
    from coder_assist.suggest.rules.edit_files import read_mue

    return _file("mue.csv", read_mue, CodeBookError)


def _ncci() -> Read:
    from coder_assist.errors import CodeBookError
    from coder_assist.suggest.rules.edit_files import read_ncci

    return _file("ncci.txt", lambda path: read_ncci([path]), CodeBookError)


def _tabular() -> Read:
    from coder_assist.codes.tabular import read_tabular
    from coder_assist.errors import CodeBookError

    return _file("tabular.xml", read_tabular, CodeBookError)


def _parquet() -> Read:
    from coder_assist.batch import shards
    from coder_assist.errors import BatchError

    return _file("notes.parquet", lambda path: list(shards(path)), BatchError)


TARGETS: dict[str, Callable[[], Read]] = {
    "note": _note,
    "line": _line,
    "records": _records,
    "fhir": _fhir,
    "search": _search,
    "code": _code,
    "marked": _marked,
    "ama": _ama,
    "hcpcs": _hcpcs,
    "pcs": _pcs,
    "mue": _mue,
    "ncci": _ncci,
    "tabular": _tabular,
    "parquet": _parquet,
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
_MARKED = (
    "id: a\ntitle: T\nspecialty: S\nsplit: train\nsetting: outpatient\nsex: male\nage: 40\n---\n"
    "ASSESSMENT: {{gout|M10.9!}}, {{injection|CPT:20610?}}\n"
)
_TABULAR = (
    "<ICD10CM.tabular><version>2026</version><chapter><name>1</name><desc>A</desc><section id='A00-A09'>"
    "<desc>B</desc><diag><name>A00</name><desc>Cholera</desc><excludes1><note>x (A01.0-)</note></excludes1>"
    "</diag></section></chapter></ICD10CM.tabular>"
)


def _columns() -> bytes:
    import pyarrow
    import pyarrow.parquet

    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({name: [value] for name, value in _RECORD.items()}), file)
    return file.getvalue()


def _seeds(target: str) -> tuple[bytes, ...]:
    match target:
        case "note":
            from coder_assist.review.demo import samples

            return tuple(sample["text"].encode() for sample in samples())
        case "line":
            return (json.dumps(_RECORD).encode(),)
        case "records":
            return (json.dumps(_RECORD).encode() + b"\n{}\n",)
        case "fhir":
            return (json.dumps(_BUNDLE).encode(), json.dumps(_DOCUMENT).encode())
        case "search":
            return (b"type 2 diabetes", b"E11.9", b"fx left femur")
        case "code":
            return (b"E11.9", b"99213", b"0016070", b"A0021", b"E11.9 I50.9@Y 20610-LT*2")
        case "marked":
            return (_MARKED.encode(),)
        case "ama":
            return (
                b"A notice\r\n\r\n99213\tWords of our own\r\n0001U\tMore\r\n",
                b"99213 Words of our own\n",
            )
        case "hcpcs":
            return (
                b"A0021 00100 3Ambulance\nA0021 00200 4service\n",
                b"code\tdescription\nA0021\tAmbulance\n",
            )
        case "pcs":
            return (b"00001 0016070 1 " + b"Bypass".ljust(60) + b" Bypass of it\n", b"0016070 Bypass of it\n")
        case "mue":
            return (b"Code,MUE,MAI,Why\n99213,1,2 Date of Service Edit: Policy,Nature of Service\n",)
        case "ncci":
            return (b"0001A\t0593T\t\t20201211\t*\t1\tMisuse\n99213\t99214\t\t20100101\t20201231\t0\tMore\n",)
        case "tabular":
            return (_TABULAR.encode(),)
        case _:
            return (_columns(),)


def fuzz(target: str, flags: Sequence[str]) -> None:
    """Fuzz one target with flags of libFuzzer; does not come back."""
    with atheris.instrument_imports(include=["coder_assist"]):
        read = TARGETS[target]()
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(_seeds(target)):
            (Path(corpus) / str(number)).write_bytes(seed)
        FOUND.mkdir(parents=True, exist_ok=True)
        ours = ["-max_len=4000", "-timeout=30", "-print_final_stats=1", f"-artifact_prefix={FOUND}/"]
        atheris.Setup([sys.argv[0], *flags, *ours, corpus], read)
        atheris.Fuzz()


def _fuzzed(target: str, options: Sequence[str]) -> tuple[str, str]:
    """Fuzz one target in a process of its own; return its row, and what it said where something was found."""
    command = [sys.executable, "-m", "benchmarks.fuzz", target, *options]
    run = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
    told = (run.stderr + run.stdout).decode("utf-8", "replace")  # bytes of inputs are among it
    tried = re.search(r"number_of_executed_units: (\d+)", told)
    reached = re.findall(r"cov: (\d+)", told)
    well = run.returncode == 0 and tried is not None
    cells = (
        f"`{target}`",
        f"{int(tried[1]):,}" if tried else "?",
        f"{int(reached[-1]):,}" if reached else "?",
        "nothing" if well else f"exit code {run.returncode}, see below",
    )
    return f"| {' | '.join(cells)} |", "" if well else told[-4000:]


def fuzz_all(options: Sequence[str], jobs: int) -> int:
    """Fuzz the targets, so many at a time, print a row for each, and return how many found something."""
    print("| target | inputs tried | branches reached | found |\n| --- | --- | --- | --- |", flush=True)
    found = []
    with ThreadPoolExecutor(jobs) as pool:
        for row, told in pool.map(_fuzzed, TARGETS, repeat(options)):
            print(row, flush=True)
            found += [told] if told else []
    for told in found:
        print(told, file=sys.stderr)
    return len(found)


def main() -> None:
    """Run by the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, help="try so many inputs instead of so long")
    parser.add_argument("--seed", type=int, help="vary in the same way each time")
    parser.add_argument("--jobs", type=int, default=1, help="of all, how many targets at a time")
    wanted = parser.parse_args()
    limit = {"--runs": wanted.runs} if wanted.runs is not None else {"--seconds": wanted.seconds}
    if wanted.seed is not None:
        limit["--seed"] = wanted.seed
    if wanted.target == "all":
        options = [each for name, value in limit.items() for each in (name, str(value))]
        raise SystemExit(1 if fuzz_all(options, wanted.jobs) else 0)
    of_library = {"--runs": "-runs", "--seconds": "-max_total_time", "--seed": "-seed"}
    fuzz(wanted.target, [f"{of_library[name]}={value}" for name, value in limit.items()])


if __name__ == "__main__":
    main()

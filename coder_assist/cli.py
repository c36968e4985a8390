"""The command line: thin commands over the package."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from coder_assist.errors import CoderAssistError, RecordError
from coder_assist.measure import Scores
from coder_assist.settings import Settings
from coder_assist.types import Encounter, Note, Run, Setting, System

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reads clinical notes and proposes codes.",
)
codes_app = typer.Typer(no_args_is_help=True, help="Look up and search codes.")
app.add_typer(codes_app, name="codes")
out = Console()
errors = Console(stderr=True)

PackOption = Annotated[
    Path | None, typer.Option("--pack", help="Model pack directory; the default pack if not given.")
]


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn an error raised on purpose into one line on stderr and exit code 2."""
    try:
        yield
    except CoderAssistError as error:
        errors.print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


@app.command()
def suggest(
    note: Annotated[
        Path | None, typer.Argument(help="A text file with one note.", show_default=False)
    ] = None,
    setting: Annotated[Setting, typer.Option(help="Where the encounter took place.")] = Setting.OUTPATIENT,
    jsonl: Annotated[Path | None, typer.Option("--jsonl", help="Many notes, a JSON record a line.")] = None,
    to: Annotated[Path | None, typer.Option("--out", help="Where the predictions go (with --jsonl).")] = None,
    pack: PackOption = None,
) -> None:
    """Propose codes for one note (a table) or for a file of notes (JSONL).

    A bad line of a JSONL file is reported with its number and the others go on; the exit code is then 1.
    """
    with _plain_errors():
        if jsonl is not None and to is not None and note is None:
            raise typer.Exit(_suggest_many(jsonl, to, pack))
        if note is None or jsonl is not None:
            errors.print(
                "[red]error:[/red] expected NOTE.txt, or --jsonl NOTES.jsonl with --out PREDICTIONS.jsonl"
            )
            raise typer.Exit(2)
        _suggest_one(note, setting, pack)


def _read_text(path: Path) -> str:
    from coder_assist.errors import NoteError

    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise NoteError(f"{path}: expected a text file that can be read; {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise NoteError(
            f"{path}: expected UTF-8 text; byte {error.start} is not. Convert it, for example with iconv"
        ) from None


def _suggest_one(path: Path, setting: Setting, pack: Path | None) -> None:
    from coder_assist.suggest import Coder

    text = _read_text(path)
    run = Coder.load(pack).suggest(Encounter.of(Note(path.stem, text), setting))
    _show(run, text)


def _context(text: str, start: int, end: int, around: int = 24) -> str:
    left = " ".join(text[max(0, start - around) : start].split())
    right = " ".join(text[end : end + around].split())
    return f"{left} [bold]{_escaped(' '.join(text[start:end].split()))}[/bold] {_escaped(right)}".strip()


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


def _show(run: Run, text: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("", "code", "probability", "title", "evidence"):
        table.add_column(name, overflow="fold", justify="right" if name == "probability" else "left")
    shown = [s for s in run.suggestions if s.selected or s.probability >= 0.1]
    for suggestion in shown:
        first = suggestion.evidence[0]
        table.add_row(
            "✓" if suggestion.selected else "",
            str(suggestion.code),
            f"{suggestion.probability:.2f}",
            suggestion.title,
            _context(text, first.span.start, first.span.end),
        )
    out.print(table)
    hidden = len(run.suggestions) - len(shown)
    out.print(
        f"\n{sum(s.selected for s in shown)} preselected (✓), {hidden} less likely not shown, pack {run.pack}",
        style="dim",
    )
    for notice in run.notices:
        out.print(f"note: {notice}", style="yellow")
    for item in run.withheld[:12]:
        out.print(f"withheld {item.code} {_escaped(item.title)}: {item.reason}", style="dim")


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line


def _encounter(number: int, line: bytes) -> Encounter:
    from coder_assist.errors import InputError
    from coder_assist.suggest.wire import read_record

    try:
        return read_record(json.loads(line.decode("utf-8")))
    except UnicodeDecodeError:
        raise RecordError(number, "expected UTF-8") from None
    except json.JSONDecodeError as error:
        raise RecordError(number, f"expected a JSON object; {error.msg} at column {error.colno}") from None
    except InputError as error:
        raise RecordError(number, str(error)) from None


def _suggest_many(source: Path, target: Path, pack: Path | None) -> int:
    """Write a prediction for each record, and return the exit code: 1 if a record was left out."""
    from coder_assist.errors import InputError
    from coder_assist.suggest import Coder
    from coder_assist.suggest.wire import run_record

    if not source.is_file():
        raise InputError(f"{source}: expected a JSONL file of notes")
    coder = Coder.load(pack)
    bad = 0
    with target.open("w", encoding="utf-8") as sink:
        for number, line in _records(source):
            try:
                run = coder.suggest(_encounter(number, line))
            except InputError as error:
                bad += 1
                text = str(error) if isinstance(error, RecordError) else f"line {number}: {error}"
                errors.print(f"[red]error:[/red] {source.name}: {text}", highlight=False, soft_wrap=True)
                continue
            sink.write(json.dumps(run_record(run), ensure_ascii=False) + "\n")
    if bad:
        errors.print(
            f"{bad} line{'s' if bad > 1 else ''} left out, the others are in {target}", highlight=False
        )
    return 1 if bad else 0


@codes_app.command("show")
def show_code(
    code: Annotated[str, typer.Argument(help="A code, with or without its dot.")],
    system: Annotated[System, typer.Option(help="The code system.")] = System.ICD10CM,
) -> None:
    """Show a code with its place, notes and children. ``codes E11.2`` is short for this."""
    from coder_assist.types import Code

    with _plain_errors():
        try:
            wanted = Code.parse(system, code)
        except ValueError as error:
            errors.print(f"[red]error:[/red] {error}", highlight=False)
            raise typer.Exit(2) from None
        library = _library()
        entry = library.entry(wanted)
        book = library.books[wanted.system]
        out.print(
            f"[bold]{entry.code}[/bold] {_escaped(entry.title)} ({'billable' if entry.billable else 'header'})"
        )
        out.print(f"edition {book.edition}, valid {book.valid_from} to {book.valid_to}", style="dim")
        for name in reversed(book.ancestors(wanted.value)):
            out.print(f"  below {name} {_escaped(book.title(name))}", style="dim")
        for term in entry.inclusion_terms:
            out.print(f"  also: {_escaped(term)}")
        for note in book.instructions(wanted.value):
            origin = "" if note.node == wanted.value else f" (at {note.node})"
            out.print(f"  {note.kind}: {_escaped(note.text)}{origin}")
        for child in book.children(wanted.value):
            out.print(f"  {child} {_escaped(book.title(child))}")


@codes_app.command("search")
def search_codes(
    text: Annotated[
        str, typer.Argument(help="A code's beginning, or words; prefixes and misspellings are fine.")
    ],
    system: Annotated[System | None, typer.Option(help="Only this code system.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many codes at most.")] = 10,
) -> None:
    """Search codes by words, titles and what clinicians call them."""
    with _plain_errors():
        for entry in _library().search(text, system, limit):
            mark = " " if entry.billable else "-"
            out.print(f"{entry.code.value:<9}{mark} {_escaped(entry.title)}", highlight=False)


@codes_app.command("compile")
def compile_codes() -> None:
    """Compile the code books and the lexicon into the cache, so that the next start is quick."""
    with _plain_errors():
        library = _library()
        unread = sum(library.icd.unparsed_notes().values())
        out.print(
            f"ICD-10-CM edition {library.edition.name}: {library.icd.billable_count():,} billable codes; "
            f"{len(library.lexicon):,} terms; {unread:,} notes name no code and are kept as text",
            highlight=False,
        )


def _library() -> Any:
    from coder_assist.codes import open_library

    settings = Settings()
    return open_library(settings.cache_dir, settings.editions_dir, settings.lexicon_dir)


@app.command()
def evaluate(
    gold: Annotated[Path, typer.Argument(help="A coded corpus (JSONL).")],
    pack: PackOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Score a pack on a coded corpus: the metrics of ``measure.score``, by system."""
    from coder_assist.learn.evaluation import evaluate as run_evaluation

    with _plain_errors():
        results = run_evaluation(gold, pack)
        if as_json:
            sys.stdout.write(
                json.dumps({name: scores.as_dict() for name, scores in results.items()}, indent=1) + "\n"
            )
            return
        _print_scores(results)


def _print_scores(results: dict[str, Scores]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in results:
        table.add_column(name, justify="right")
    rows = [scores.as_dict() for scores in results.values()]
    for metric in (key for key in (rows[0] if rows else {}) if key != "system"):
        table.add_row(metric, *("-" if row[metric] is None else str(row[metric]) for row in rows))
    out.print(table)


@app.command()
def train(
    corpus: Annotated[
        list[Path], typer.Option("--corpus", help="A coded corpus (JSONL); may be given several times.")
    ],
    to: Annotated[Path, typer.Option("--out", help="Where the pack goes: models/NAME.")],
    priors: Annotated[
        Path | None, typer.Option(help="Charts by code (TSV with columns code and charts).")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pack.")] = 0,
) -> None:
    """Train a pack from coded corpora; its figures are out of fold."""
    from coder_assist.learn.packing import train_pack

    with _plain_errors(), errors.status("reading notes") as status:
        results = train_pack(corpus, to, priors, seed, status.update)
    _print_scores(results)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Start the HTTP service and print its address."""
    import uvicorn

    from coder_assist.api import create_app

    with _plain_errors():
        settings = Settings()
        settings = settings.model_copy(update={"host": host or settings.host, "port": port or settings.port})
        out.print(f"coder_assist listens on http://{settings.host}:{settings.port}", highlight=False)
        uvicorn.run(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
        )


def main() -> None:
    """Run the command line. ``codes E11.2`` is read as ``codes show E11.2``."""
    arguments = sys.argv[1:]
    known = ("show", "search", "compile")
    if arguments[:1] == ["codes"] and len(arguments) > 1 and not arguments[1].startswith(("-", *known)):
        arguments.insert(1, "show")
    app(arguments)

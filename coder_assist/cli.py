"""The command line: thin commands over the package."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from coder_assist.auditing import audit_app
from coder_assist.errors import CoderAssistError, CorpusError, InputError, PackError, RecordError
from coder_assist.measure import Part
from coder_assist.settings import Settings
from coder_assist.types import Encounter, Note, Run, Setting, System

if TYPE_CHECKING:
    from coder_assist.codes import Library
    from coder_assist.suggest import Coder

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Reads clinical notes and proposes codes.",
)
codes_app = typer.Typer(no_args_is_help=True, help="Look up and search codes.")
app.add_typer(codes_app, name="codes")
corpus_app = typer.Typer(no_args_is_help=True, help="Check, compile and count coded notes.")
app.add_typer(corpus_app, name="corpus")
app.add_typer(audit_app, name="audit")
out = Console()
errors = Console(stderr=True)

PackOption = Annotated[
    Path | None, typer.Option("--pack", help="Model pack directory; the default pack if not given.")
]
TargetOption = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=1.0,
        help="Preselect only from the probability on that is right this often, by the pack's figures.",
    ),
]


def _error(text: object) -> None:
    errors.print(f"[red]error:[/red] {escape(str(text))}", highlight=False, soft_wrap=True)


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn an error raised on purpose into one line on stderr and exit code 2."""
    try:
        yield
    except CoderAssistError as error:
        _error(error)
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
    target_precision: TargetOption = None,
) -> None:
    """Propose codes for one note (a table) or for a file of notes (JSONL).

    A bad line of a JSONL file is reported with its number and the others go on; the exit code is then 1.
    """
    with _plain_errors():
        if jsonl is not None and to is not None and note is None:
            raise typer.Exit(_suggest_many(jsonl, to, pack, target_precision))
        if note is None or jsonl is not None:
            _error("expected NOTE.txt, or --jsonl NOTES.jsonl with --out PREDICTIONS.jsonl")
            raise typer.Exit(2)
        _suggest_one(note, setting, pack, target_precision)


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


def _coder(pack: Path | None, target: float | None) -> Coder:
    """Load a pack, with other cuts where a precision is wanted; what they cost is said on stderr."""
    from coder_assist.learn.operating import operating_points, recut, stored_curves
    from coder_assist.learn.report import describe_point
    from coder_assist.suggest import Coder, load_pack

    if target is None:
        return Coder.load(pack)
    settings = Settings()
    loaded = load_pack(pack or settings.pack)
    points = operating_points(stored_curves(pack), loaded.scorer, target)
    if not points:
        raise PackError(
            f"pack {loaded.version} stores no precision_curve, so no cut is known for a precision of {target:g}; "
            "train it anew, or see coder-assist evaluate CODED.jsonl --target-precision"
        )
    for name, point in points.items():
        errors.print(describe_point(name, point.as_dict()), highlight=False, soft_wrap=True, style="dim")
    return Coder.load_with(recut(loaded, points), settings)


def _suggest_one(path: Path, setting: Setting, pack: Path | None, target: float | None) -> None:
    text = _read_text(path)
    _show(_coder(pack, target).suggest(Encounter.of(Note(path.stem, text), setting)), text)


def _context(text: str, start: int, end: int, around: int = 24) -> Text:
    from coder_assist.learn.report import printable

    left, words, right = (
        printable(part)
        for part in (text[max(0, start - around) : start], text[start:end], text[end : end + around])
    )
    return Text.assemble(f"{left} " if left else "", (words, "bold"), f" {right}" if right else "")


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
            escape(suggestion.title),
            _context(text, first.span.start, first.span.end),
        )
    out.print(table)
    hidden = len(run.suggestions) - len(shown)
    out.print(
        f"\n{sum(s.selected for s in shown)} preselected (✓), {hidden} less likely not shown, pack {run.pack}",
        style="dim",
    )
    for notice in run.notices:
        out.print(f"note: {escape(notice)}", style="yellow")
    for item in run.withheld[:12]:
        out.print(f"withheld {item.code} {escape(item.title)}: {item.reason}", style="dim")


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line


def _encounter(number: int, line: bytes) -> Encounter:
    from coder_assist.suggest.wire import read_record

    try:
        return read_record(json.loads(line.decode("utf-8")))
    except UnicodeDecodeError:
        raise RecordError(number, "expected UTF-8") from None
    except json.JSONDecodeError as error:
        raise RecordError(number, f"expected a JSON object; {error.msg} at column {error.colno}") from None
    except RecursionError:
        raise RecordError(number, "expected a JSON object of little depth; it is nested too deeply") from None
    except ValueError:
        raise RecordError(number, "expected a JSON object; it holds a number of too many digits") from None
    except InputError as error:
        raise RecordError(number, str(error)) from None


def _suggest_many(source: Path, target: Path, pack: Path | None, precision: float | None) -> int:
    """Write a prediction for each record, and return the exit code: 1 if a record was left out."""
    from coder_assist.suggest.wire import run_record

    if not source.is_file():
        raise InputError(f"{source}: expected a JSONL file of notes")
    if target.exists() and target.samefile(source):
        raise InputError(f"{target}: expected another file than the notes themselves")
    coder = _coder(pack, precision)
    coder.settle()
    bad = 0
    try:
        sink = target.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target}: expected a file that can be written; {error.strerror}") from None
    with sink:
        for number, line in _records(source):
            try:
                run = coder.suggest(_encounter(number, line))
            except InputError as error:
                bad += 1
                text = str(error) if isinstance(error, RecordError) else f"line {number}: {error}"
                _error(f"{source.name}: {text}")
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
            _error(error)
            raise typer.Exit(2) from None
        library = _library()
        entry = library.entry(wanted)
        book = library.books[wanted.system]
        out.print(
            f"[bold]{entry.code}[/bold] {escape(entry.title)} ({'billable' if entry.billable else 'header'})"
        )
        out.print(f"edition {book.edition}, valid {book.valid_from} to {book.valid_to}", style="dim")
        for name in reversed(book.ancestors(wanted.value)):
            out.print(f"  below {name} {escape(book.title(name))}", style="dim")
        for term in entry.inclusion_terms:
            out.print(f"  also: {escape(term)}")
        for note in book.instructions(wanted.value):
            origin = "" if note.node == wanted.value else f" (at {note.node})"
            out.print(f"  {note.kind}: {escape(note.text)}{origin}")
        for child in book.children(wanted.value):
            out.print(f"  {child} {escape(book.title(child))}")


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
            out.print(f"{entry.code.value:<9}{mark} {escape(entry.title)}", highlight=False)


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


def _library() -> Library:
    from coder_assist.codes import Shelf

    return Shelf.of(Settings()).library_for(None)[0]


@app.command()
def evaluate(
    gold: Annotated[list[Path], typer.Argument(help="Coded corpora (JSONL).")],
    pack: PackOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    folds: Annotated[
        int,
        typer.Option(
            min=0, max=50, help="Train on the other folds of the corpora themselves; 0 uses the pack."
        ),
    ] = 0,
    target_precision: TargetOption = None,
    reliability: Annotated[bool, typer.Option(help="Show how often each probability was right.")] = False,
    by: Annotated[Part | None, typer.Option(help="Break the figures down.")] = None,
    compare: Annotated[
        Path | None, typer.Option(help="Another pack, to test against on the same notes.")
    ] = None,
    coverage: Annotated[
        bool, typer.Option(help="Show which required codes no candidate of their words offers, and why.")
    ] = False,
    wrong: Annotated[
        int, typer.Option("--errors", min=0, help="List so many codes most often wrong or missed.")
    ] = 0,
    words: Annotated[
        bool, typer.Option("--show-text", help="With --errors: show the words of the notes, which are PHI.")
    ] = False,
) -> None:
    """Score a pack on coded corpora: every metric by system, with 95 % intervals by bootstrap over notes."""
    from coder_assist.learn.evaluation import read_gold
    from coder_assist.learn.operating import trained_on
    from coder_assist.learn.report import Wanted, make_report, show

    wanted = Wanted(folds, target_precision, reliability, by, wrong, words, coverage, compare)
    with _plain_errors():
        with errors.status("reading notes") as status:
            report = make_report(read_gold(gold), pack, wanted, status.update)
        for name in trained_on(gold, pack) if not folds else ():
            errors.print(
                f"note: the pack was trained on {escape(name)}, so these figures flatter it; see --folds",
                highlight=False,
                soft_wrap=True,
                style="yellow",
            )
        if as_json:
            sys.stdout.write(json.dumps(report, indent=1) + "\n")
        else:
            show(report, out)


@corpus_app.command("check")
def check_corpus(
    directory: Annotated[Path, typer.Argument(help="Holds notes/*.txt and encounters.jsonl.")] = Path(
        "corpora"
    ),
) -> None:
    """Check marked-up notes and the file compiled from them. The exit code is 1 if anything is wrong."""
    from coder_assist.learn.corpus import check

    with _plain_errors():
        problems = check(_directory(directory), _library())
    for problem in problems:
        out.print(escape(str(problem)), highlight=False, soft_wrap=True)
    out.print(f"{len(problems)} problem{'' if len(problems) == 1 else 's'}", style="dim")
    raise typer.Exit(1 if problems else 0)


@corpus_app.command("compile")
def compile_corpus(
    directory: Annotated[Path, typer.Argument(help="Holds notes/*.txt.")] = Path("corpora"),
) -> None:
    """Compile marked-up notes into encounters.jsonl. The exit code is 1 if a note is not in its form."""
    from coder_assist.learn.corpus import compile_notes, to_jsonl

    with _plain_errors():
        try:
            records = compile_notes(_directory(directory))
        except CorpusError as error:
            _error(error)
            raise typer.Exit(1) from None
        if not records:
            _error(f"{directory}: expected notes/*.txt; found none")
            raise typer.Exit(1)
        (directory / "encounters.jsonl").write_text(to_jsonl(records), encoding="utf-8")
    out.print(f"{len(records)} notes in {directory / 'encounters.jsonl'}", highlight=False, soft_wrap=True)


@corpus_app.command("counts")
def count_corpus(
    source: Annotated[Path, typer.Argument(help="A directory of notes, or a coded corpus (JSONL).")] = Path(
        "corpora"
    ),
) -> None:
    """Print the counts of a corpus as a Markdown table. The exit code is 1 if it is not in its form."""
    from coder_assist.learn.corpus import compile_notes, summary
    from coder_assist.learn.evaluation import read_gold

    with _plain_errors():
        try:
            records = compile_notes(source) if source.is_dir() else read_gold([source])
        except CorpusError as error:
            _error(error)
            raise typer.Exit(1) from None
        sys.stdout.write(summary([{"specialty": "", "setting": "", **record} for record in records]))


def _directory(path: Path) -> Path:
    if not path.is_dir():
        raise InputError(f"{path}: expected a directory with notes/*.txt")
    return path


@app.command()
def train(
    to: Annotated[Path, typer.Option("--out", help="Where the pack goes: models/NAME.")],
    corpus: Annotated[
        list[Path] | None,
        typer.Option("--corpus", help="A coded corpus (JSONL); may be given several times."),
    ] = None,
    priors: Annotated[
        Path | None, typer.Option(help="Charts by code (TSV with columns code and charts).")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same pack.")] = 0,
    hand_set: Annotated[
        bool, typer.Option("--hand-set", help="Learn nothing: write the pack of hand-set weights.")
    ] = False,
) -> None:
    """Train a pack from coded corpora; its figures are out of fold."""
    from coder_assist.learn.packing import train_pack, transparent_pack
    from coder_assist.learn.report import score_table

    if hand_set:
        with _plain_errors():
            transparent_pack(to, priors)
        return

    with _plain_errors(), errors.status("reading notes") as status:
        results = train_pack(corpus or [], to, priors, seed, status.update)
    out.print(score_table({name: scores.as_dict() for name, scores in results.items()}))


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

"""The command line: thin commands over the package."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from coder_assist.administration import db_app, encounters_app, tokens_app, users_app
from coder_assist.auditing import audit_app
from coder_assist.console import errors, out
from coder_assist.console import plain_errors as _plain_errors
from coder_assist.console import print_error as _error
from coder_assist.errors import CorpusError, InputError, PackError, RecordError
from coder_assist.measure import Part
from coder_assist.promoting import packs_app, train_on_decisions, warn_of_another_pack
from coder_assist.settings import Settings
from coder_assist.types import Claim, Encounter, Note, Run, Setting, Severity, Sex, System

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
rules_app = typer.Typer(no_args_is_help=True, help="List the coding rules, and ask them about codes.")
app.add_typer(rules_app, name="rules")
corpus_app = typer.Typer(no_args_is_help=True, help="Check, compile and count coded notes.")
app.add_typer(corpus_app, name="corpus")
for name, part in (
    ("users", users_app),
    ("tokens", tokens_app),
    ("encounters", encounters_app),
    ("audit", audit_app),
    ("packs", packs_app),
    ("db", db_app),
):
    app.add_typer(part, name=name)

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


def _suggest_many(source: Path, target: Path, pack: Path | None, precision: float | None) -> int:
    """Write a prediction for each record, and return the exit code: 1 if a record was left out."""
    from coder_assist.suggest.wire import read_line, run_record

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
                run = coder.suggest(read_line(number, line))
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


@app.command()
def batch(
    source: Annotated[Path, typer.Argument(help="Notes: JSONL (also compressed by gzip) or Parquet.")],
    target: Annotated[Path, typer.Argument(help="Directory for the parts and the manifest.")],
    pack: PackOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes on this machine.")] = 1,
    dask: Annotated[
        str | None,
        typer.Option(
            help="Address of a Dask scheduler, tcp://host:8786, or local for one of --workers processes."
        ),
    ] = None,
    size: Annotated[int, typer.Option(min=1, help="Notes in a part.")] = 200,
) -> None:
    """Code a file of any size. Started again after a crash it goes on where it ended.

    Records that cannot be coded are set aside with the reason, and the exit code is then 1.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from coder_assist.batch import Progress, count_records, run_batch

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with _plain_errors(), Bar(*columns, console=errors) as bar:
        task = bar.add_task("notes", total=count_records(source), rate="")

        def show(progress: Progress) -> None:
            spent = bar.tasks[task].elapsed or 0.0
            made = progress.records - progress.resumed
            rate = f"{made / spent:.1f} notes/s" if made and spent else ""
            bar.update(task, completed=progress.records, rate=rate)

        manifest = run_batch(
            source, target, pack=pack, workers=workers, dask=dask, size=size, on_progress=show
        )
    out.print(f"{manifest['coded']} coded, {manifest['rejected']} set aside, in {target}", highlight=False)
    if manifest["rejected"]:
        raise typer.Exit(1)


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


@codes_app.command("lexicon")
def check_lexicon() -> None:
    """Print counts, repeated rows and conflicts of the packaged data files. The exit code is 1 if one is unexplained."""
    from coder_assist.codes.consistency import conflicts, counts, stale_explanations

    with _plain_errors():
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("file", "rows", "repeated"):
            table.add_column(name, justify="left" if name == "file" else "right")
        files = counts()
        for file in files:
            table.add_row(file.name, f"{file.rows:,}", str(file.duplicates))
        out.print(table)
        found = conflicts()
        for conflict in found:
            says = escape(f"{conflict.check}: {conflict.what} ({', '.join(conflict.says)})")
            out.print(
                f"{says}: {escape(conflict.why)}" if conflict.why else f"[red]{says}[/red]", soft_wrap=True
            )
        stale = stale_explanations()
        for explanation in stale:
            out.print(
                f"[red]explained, and no conflict any more: {escape(explanation)}[/red]", soft_wrap=True
            )
    unexplained = sum(not conflict.why for conflict in found)
    repeated = sum(file.duplicates for file in files)
    out.print(
        f"{repeated} rows repeated, {len(found)} conflicts, {unexplained} unexplained",
        style="dim",
        highlight=False,
    )
    raise typer.Exit(1 if unexplained or repeated or stale else 0)


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


@rules_app.command("list")
def rules_list(
    markdown: Annotated[bool, typer.Option("--markdown", help="As the page docs/rules.md.")] = False,
) -> None:
    """List every coding rule: id, severity, what it says and the authority it rests on."""
    from coder_assist.suggest.rules import RuleBook, catalogue

    with _plain_errors():
        rules = RuleBook.without(Settings().disabled_rules).rules
    if markdown:
        print(catalogue.markdown(rules), end="")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "severity", "says", "authority"):
        table.add_column(name, overflow="fold")
    for rule in rules:
        table.add_row(rule.id, rule.severity.value, escape(rule.summary), escape(rule.authority))
    out.print(table)
    out.print(f"\n{len(rules)} rules", style="dim")


@rules_app.command("check")
def rules_check(
    codes: Annotated[
        list[str], typer.Argument(help="Codes in sequence: E11.9 N18.4 99213-25 20610*2 I50.9@Y")
    ],
    setting: Annotated[Setting, typer.Option(help="Where the encounter took place.")] = Setting.OUTPATIENT,
    claim: Annotated[Claim | None, typer.Option(help="Whose bill it is.")] = None,
    sex: Annotated[Sex, typer.Option(help="Administrative sex.")] = Sex.UNKNOWN,
    age: Annotated[float | None, typer.Option(min=0, help="Age in years.")] = None,
    note: Annotated[Path | None, typer.Option(help="The note, for the rules that read it.")] = None,
) -> None:
    """Say what the coding rules find in a set of codes; exit code 1 where one is an error."""
    from coder_assist.codes import Shelf
    from coder_assist.suggest.rules import Coding, FactBook, RuleBook, sequenced
    from coder_assist.suggest.rules.edit_files import edit_tables
    from coder_assist.text import NoteReader

    with _plain_errors():
        settings = Settings()
        library = Shelf.of(settings).library_for(None)[0]
        documents = []
        notes: tuple[Note, ...] = ()
        if note is not None:
            notes = (Note(note.stem, _read_text(note)),)
            documents = [NoteReader(library.lexicon.store).read(notes[0])]
        encounter = Encounter("check", notes, setting, claim, sex=sex, age=age)
        coding = Coding.of(encounter, sequenced(codes), FactBook(library, edit_tables(settings)), documents)
        findings = RuleBook.without(settings.disabled_rules).judge(coding)
    for finding in findings:
        out.print(
            f"[bold]{finding.severity.value}[/bold] {finding.rule}: {escape(finding.message)}", soft_wrap=True
        )
        out.print(f"    {escape(finding.authority)}", style="dim", soft_wrap=True)
    out.print(f"{len(findings)} findings", style="dim")
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise typer.Exit(1)


@rules_app.command("alarms")
def rules_alarms(
    corpora: Annotated[list[Path], typer.Argument(help="Coded notes (JSONL).")],
    show_errors: Annotated[bool, typer.Option("--errors", help="List every error by note id.")] = False,
) -> None:
    """Count what the coding rules say of the codes that coders gave: errors there are likely false alarms."""
    from coder_assist.learn.alarms import alarms
    from coder_assist.learn.corpus import read_corpus

    with _plain_errors():
        coder = _coder(None, None)
        found = alarms(coder, (record for path in corpora for record in read_corpus(path)))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "severity", "notes", "share"):
        table.add_column(name, justify="right" if name in ("notes", "share") else "left")
    for rule, count in found.by_rule.items():
        table.add_row(rule, found.severities[rule].value, str(count), f"{count / found.notes:.1%}")
    out.print(table)
    out.print(
        f"{found.notes} notes; {found.error_rate:.1%} with an error; {found.milliseconds:.2f} ms a note for all rules",
        style="dim",
    )
    if show_errors:
        for id, rule, codes in found.errors:
            out.print(f"{rule}\t{' '.join(codes)}\t{escape(id)}", highlight=False)


@rules_app.command("effect")
def rules_effect(
    corpora: Annotated[list[Path], typer.Argument(help="Coded notes (JSONL).")],
    folds: Annotated[int, typer.Option(min=2, max=50, help="Out of how many folds to score.")] = 5,
) -> None:
    """Measure what the fixes of errors and warnings would change in what is preselected, out of fold."""
    from coder_assist.learn.effect import effect_of_rules
    from coder_assist.learn.evaluation import read_gold, score_out_of_fold
    from coder_assist.suggest import load_pack

    with _plain_errors():
        lines = read_gold(corpora)
        found = effect_of_rules(score_out_of_fold(load_pack(Settings().pack), lines, folds))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "wrong out", "right out", "optional out", "right in"):
        table.add_column(name, justify="left" if name == "rule" else "right")
    for rule in found.rules:
        table.add_row(rule.rule, *map(str, (rule.wrong, rule.right, rule.optional, rule.put_right)))
    out.print(table)
    for evaluation in (found.before, found.after):
        for system, scores in evaluation.scores.items():
            if scores.required:
                out.print(
                    f"{system} {evaluation.pack}: F1 {scores.f1:.4f}, precision {scores.precision:.4f}, "
                    f"recall {scores.recall:.4f}",
                    highlight=False,
                )


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


@corpus_app.command("attach")
def attach_corpus(
    codes: Annotated[Path, typer.Argument(help="Codes kept apart from their texts (JSONL).")],
    texts: Annotated[Path, typer.Argument(help="The texts (JSONL with id and text, also gzipped).")],
    to: Annotated[Path, typer.Option("--out", help="Where the coded corpus goes.")],
) -> None:
    """Join codes with the texts they are of into a coded corpus. The exit code is 1 if a text is absent or differs."""
    from coder_assist.learn.attaching import attach

    with _plain_errors():
        try:
            lines = [json.dumps(record, ensure_ascii=False) for record in attach(codes, texts)]
        except CorpusError as error:
            _error(error)
            raise typer.Exit(1) from None
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    out.print(f"{len(lines)} coded notes in {to}", highlight=False, soft_wrap=True)


@corpus_app.command("agreement")
def agree(
    first: Annotated[Path, typer.Argument(help="A coded corpus (JSONL).")],
    second: Annotated[Path, typer.Argument(help="Another coding of notes of it (JSONL).")],
) -> None:
    """Score a second coding of the same notes as if it were suggestions: how well two coders agree.

    ``first`` and ``second`` count the required codes of each, ``primary`` is the share of notes with the same
    first-listed code.
    """
    from coder_assist.learn.agreement import agreement
    from coder_assist.learn.resampling import intervals

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("system", "notes", "first", "second", "precision", "recall", "F1", "95 %", "primary"):
        table.add_column(name, justify="left" if name == "system" else "right", no_wrap=True)
    with _plain_errors():
        found = agreement(first, second)
    for system, scores in found.scores.items():
        bounds = intervals(system, found.notes[system])["f1"]
        within = f"{bounds[0]:.3f}-{bounds[1]:.3f}" if bounds else ""
        shown = (scores.precision, scores.recall, scores.f1, scores.first_listed)
        *shares, listed = (f"{share:.3f}" if share is not None else "" for share in shown)
        counts = map(str, (scores.notes, scores.required, scores.selected))
        table.add_row(system, *counts, *shares, within, listed)
    out.print(table)


@corpus_app.command("samples")
def sample_corpus(
    directory: Annotated[Path, typer.Argument(help="Holds encounters.jsonl.")] = Path("corpora"),
    to: Annotated[Path, typer.Option("--out", help="Where the samples go.")] = Path(
        "coder_assist/review/samples.jsonl"
    ),
) -> None:
    """Choose the dozen notes that the package carries for its demo and for practice."""
    from coder_assist.review.demo import packaged_samples

    with _plain_errors():
        # Not ``str.splitlines``: it would also cut at line ends that a note may hold.
        lines = filter(None, _read_text(_directory(directory) / "encounters.jsonl").split("\n"))
        to.write_text("".join(f"{line}\n" for line in packaged_samples(lines)), encoding="utf-8")


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
    any_assertion: Annotated[
        bool,
        typer.Option(
            "--any-assertion",
            help="The notes were coded whatever they say of a finding, denied ones too (CodiEsp).",
        ),
    ] = False,
    private: Annotated[
        bool,
        typer.Option(
            "--private", help="Keep no phrase of fewer than three patients, and none with digits or names."
        ),
    ] = False,
    estimator: Annotated[
        str | None,
        typer.Option(
            help="What ranks instead of boosted trees: module:factory, a function of a seed that returns a classifier."
        ),
    ] = None,
    alone: Annotated[
        Path | None,
        typer.Option(help="One of the corpora, of which the card also shows what it would give alone."),
    ] = None,
    from_store: Annotated[
        bool, typer.Option("--from-store", help="Learn from what was submitted in the review, too.")
    ] = False,
    until: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="With --from-store: learn only from what was submitted before this day (UTC).",
        ),
    ] = None,
) -> None:
    """Train a pack from coded corpora or decisions; its figures are out of fold.

    Of what was submitted since --until, coder-assist packs shadow and gates say whether the pack is better.
    """
    from coder_assist.learn.packing import Recipe, train_pack, transparent_pack
    from coder_assist.learn.report import score_table

    if hand_set:
        with _plain_errors():
            transparent_pack(to, priors)
        return

    with _plain_errors(), errors.status("reading notes") as status:
        recipe = Recipe(seed, any_assertion, private, estimator, alone)
        if from_store:
            results = train_on_decisions(to, corpus or [], until, priors, recipe, status.update)
        elif until is not None:
            raise InputError("--until says how far decisions are learnt from; it needs --from-store")
        else:
            results = train_pack(corpus or [], to, priors, recipe, status.update)
    out.print(score_table({name: scores.as_dict() for name, scores in results.items()}))


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
) -> None:
    """Start the HTTP service with the review page, and print its address.

    On this machine alone it is a demo: sample encounters, a person for each role and links to sign in once.
    """
    import uvicorn

    from coder_assist.api import create_app

    with _plain_errors():
        settings = Settings()
        settings = settings.model_copy(update={"host": host or settings.host, "port": port or settings.port})
        app = create_app(settings)
        review = app.state.service.open()
        address = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{settings.port}"
        out.print(f"coder_assist listens on {address}", highlight=False)
        if settings.is_demo:
            from coder_assist.review import demo

            demo.furnish(review.store, review.people, demo.samples(_checkout()))
            out.print("Sign in, each link once, on this machine, within an hour:", style="dim")
            for role, secret in demo.sign_in_secrets(review.people).items():
                out.print(f"  {role:<15}{address}/sign-in?token={secret}", highlight=False, soft_wrap=True)
        warn_of_another_pack(review, settings)
        uvicorn.run(
            app,
            host=settings.host,
            port=settings.port,
            log_level="warning",
            access_log=False,
            server_header=False,
        )


@app.command()
def lab(
    directory: Annotated[
        Path | None, typer.Argument(help="Where the notebooks are; the checkout's if not given.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser.")] = True,
) -> None:
    """Open JupyterLab on the notebooks, with the demo's encounters ready. Needs the extra workbench."""
    from coder_assist.workbench.lab import notebooks, open_lab, prepare

    with _plain_errors():
        where = notebooks(directory)
        with errors.status("reading code books and samples"):
            prepare()
        open_lab(where, port, browser)


def _checkout() -> Path:
    """Return where a checkout keeps its corpora; in an installed package there is no such directory."""
    import coder_assist

    return Path(coder_assist.__file__).parent.parent / "corpora"


def main() -> None:
    """Run the command line. ``codes E11.2`` is read as ``codes show E11.2``."""
    arguments = sys.argv[1:]
    known = ("show", "search", "compile", "lexicon")
    if arguments[:1] == ["codes"] and len(arguments) > 1 and not arguments[1].startswith(("-", *known)):
        arguments.insert(1, "show")
    app(arguments)

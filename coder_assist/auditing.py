"""The auditor's commands: draw a sample, make the accuracy report, produce a run again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from coder_assist.administration import audit_app as audit_app  # its commands are joined by those below
from coder_assist.administration import open_database
from coder_assist.console import errors, out
from coder_assist.errors import InputError
from coder_assist.review.records import Actor, Sample
from coder_assist.review.states import Role, SampleKind
from coder_assist.settings import Settings

if TYPE_CHECKING:
    from coder_assist.codes import Shelf
    from coder_assist.review.database import Database
    from coder_assist.review.drift import EditionEffect
    from coder_assist.review.facts import Facts
    from coder_assist.types import Code

_DAY = "%Y-%m-%d"
_ACTOR = Actor("command line", Role.AUDITOR)
_FROM = typer.Option("--from", formats=[_DAY], help="First day of the period (UTC).")
_TO = typer.Option("--to", formats=[_DAY], help="Day after the last one of the period (UTC).")


def _utc(day: datetime | None) -> datetime | None:
    return day.replace(tzinfo=UTC) if day is not None else None


@audit_app.command("report")
def report(
    since: Annotated[datetime, _FROM],
    until: Annotated[datetime, _TO],
    to: Annotated[Path, typer.Option("--out", help="Where the report goes.")] = Path("accuracy.html"),
    parquet: Annotated[
        Path | None,
        typer.Option(
            help="Also write the facts as Parquet files into this directory, and those of the periods that drift "
            "compares into before/ and after/ in it."
        ),
    ] = None,
) -> None:
    """Report the accuracy of suggestions and coders in a period, as one HTML file.

    The period before, of the same length, is compared for drift; without one, the two halves are.
    """
    from coder_assist.codes import Shelf
    from coder_assist.codes.chapters import chapter_of
    from coder_assist.review.drift import compare, halves
    from coder_assist.review.facts import write_parquet
    from coder_assist.review.gathering import collect, words_of
    from coder_assist.review.report import make_report

    settings = Settings()
    first, last = since.replace(tzinfo=UTC), until.replace(tzinfo=UTC)
    with open_database(settings) as database:
        shelf = Shelf.of(settings)
        library = shelf.library_for(None)[0]

        def chapter(code: Code) -> str:
            return chapter_of(library, code.system, code.value)

        with errors.status("reading decisions"):
            facts = collect(database, _ACTOR, first, last, chapter)
            earlier = collect(database, _ACTOR, first - (last - first), first, chapter)
        if earlier.encounters:
            pair, compared = (earlier, facts), "The period before, and this one"
        else:
            pair, compared = halves(facts), "The first half of the period, and the second"
        words = words_of(database, (e.encounter for part in pair for e in part.encounters))
        drift = compare(*pair, words)
        page = make_report(facts, drift, compared, _effects(facts, shelf))
        _write(to, page)
        written = []
        if parquet is not None:
            written = write_parquet(facts, parquet)
            for name, part in zip(("before", "after"), pair, strict=True):
                written += write_parquet(part, parquet / name)
    out.print(
        f"{len(facts.encounters)} encounters, {sum(e.audit is not None for e in facts.encounters)} of them "
        f"audited, {len(drift.alarms)} drift alarms: {to}",
        highlight=False,
        soft_wrap=True,
    )
    for file in written:
        out.print(str(file), highlight=False, soft_wrap=True)


def _write(path: Path, page: str) -> None:
    try:
        path.write_text(page, encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{path}: expected a file that can be written; {error.strerror}") from None


def _effects(facts: Facts, shelf: Shelf) -> dict[str, list[EditionEffect]]:
    """Return what the newest installed edition would change of what was coded with an older one."""
    from coder_assist.review.drift import edition_effects
    from coder_assist.types import System

    newest = shelf.library_for(None)[0].icd
    used = {json.loads(encounter.code_books).get(System.ICD10CM.value) for encounter in facts.encounters}
    older = [edition for edition in shelf.editions if edition.name in used - {newest.edition}]
    return {
        f"{newest.edition} (instead of {edition.name})": edition_effects(
            facts, shelf.library_for(edition.valid_from)[0].icd, newest
        )
        for edition in older
    }


@audit_app.command("sample")
def sample(
    kind: Annotated[SampleKind, typer.Option(help="How to draw.")] = SampleKind.RANDOM,
    size: Annotated[int | None, typer.Option(min=1, help="How many encounters.")] = None,
    margin: Annotated[
        float | None, typer.Option(min=0.001, max=0.5, help="Instead of a size: the margin of error wanted.")
    ] = None,
    expected: Annotated[float, typer.Option(min=0.01, max=0.99, help="The accuracy expected.")] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same encounters.")] = 0,
    since: Annotated[datetime | None, _FROM] = None,
    until: Annotated[datetime | None, _TO] = None,
    coder: Annotated[str | None, typer.Option(help="Only what this person submitted.")] = None,
    blinded: Annotated[bool, typer.Option(help="The auditor codes first, without seeing the codes.")] = False,
    create: Annotated[
        str | None, typer.Option("--create-as", help="Make the audit, in this auditor's name (their id).")
    ] = None,
) -> None:
    """Say how many encounters an audit needs, and which it would draw; with --create-as, make the audit."""
    from coder_assist.review.store import Store

    with open_database(Settings()) as database:
        audits = Store(database).audits
        actor = Actor(create, Role.AUDITOR) if create is not None else _ACTOR
        wanted = Sample(kind, 1, seed, _utc(since), _utc(until), coder, blinded)
        if (size is None) == (margin is None):
            raise InputError("expected either --size or --margin")
        if size is None and margin is not None:
            size = audits.size_for(actor, wanted, margin, expected)
            out.print(
                f"{size} encounters for a margin of ±{margin:.1%} around {expected:.1%}", highlight=False
            )
        wanted = Sample(kind, size or 1, seed, wanted.since, wanted.until, coder, blinded)
        plan = audits.plan(actor, wanted)
        out.print(f"{plan.population} submitted encounters in {len(plan.strata)} strata", highlight=False)
        for stratum, count in sorted(plan.strata.items()):
            out.print(f"  {count:>6}  {escape(' / '.join(filter(None, stratum)))}", highlight=False)
        if create is not None:
            _known(database, create)
            audit = audits.create(actor, wanted)
            out.print(f"audit {audit.id}: {len(audit.items)} encounters", highlight=False)
            return
        for id, chance in plan.drawn.items():
            out.print(f"{escape(id)}\t{chance:.4f}", highlight=False, soft_wrap=True)


def _known(database: Database, person: str) -> None:
    """Raise ``InputError`` unless there is such an auditor or lead."""
    from coder_assist.review.tables import UserRow

    with database.read() as session:
        row = session.get(UserRow, person)
    if row is None or row.role not in (Role.AUDITOR, Role.LEAD):
        raise InputError(f"--create-as: expected the id of an auditor or lead; got {person!r}")


@audit_app.command("replay")
def replay_run(
    run: Annotated[int, typer.Argument(help="The run's number.")],
    pack: Annotated[
        list[Path] | None, typer.Option("--pack", help="A further pack directory to look in; may come again.")
    ] = None,
) -> None:
    """Produce a past run again and compare it byte for byte.

    The exit code is 0 if it is the same, 3 if a version it was made with is missing, 1 if it differs.
    """
    from coder_assist.review.replay import replay

    settings = Settings()
    with open_database(settings) as database:
        result = replay(database, run, settings, pack or ())
    for missing in result.missing:
        out.print(
            f"missing: {escape(missing.what)} {escape(missing.recorded)} (here: {escape(missing.installed)})",
            highlight=False,
            soft_wrap=True,
        )
    if result.missing:
        raise typer.Exit(3)
    if result.difference is not None:
        out.print(f"run {run} differs at {escape(result.difference)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    out.print(
        f"run {run} of encounter {escape(result.encounter)} is the same, byte for byte", highlight=False
    )

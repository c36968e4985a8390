"""The data scientist's commands: a challenger's shadow over decided encounters, its gates, its promotion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from coder_assist.administration import open_review
from coder_assist.console import errors, out
from coder_assist.errors import NotAllowed
from coder_assist.review.records import Actor
from coder_assist.review.states import Role
from coder_assist.settings import Settings

if TYPE_CHECKING:
    from coder_assist.api.review import Review
    from coder_assist.learn.gates import Gates
    from coder_assist.learn.packing import Recipe
    from coder_assist.measure import Scores

packs_app = typer.Typer(no_args_is_help=True, help="Challengers in shadow, their gates, and promotions.")

_ACTOR = Actor("command line", Role.DATA_SCIENTIST)
MAY_PROMOTE = (Role.DATA_SCIENTIST, Role.ADMIN)
_Pack = Annotated[Path, typer.Argument(help="The challenger's directory.", show_default=False)]


def train_on_decisions(
    target: Path,
    corpora: Sequence[Path],
    until: datetime | None,
    priors: Path | None,
    recipe: Recipe,
    progress: Callable[[str], None],
) -> dict[str, Scores]:
    """Train on what was submitted in the settings' review before a day, and on corpora; see ``challenge``."""
    from coder_assist.challenge import train_from_store

    with open_review() as review:
        before = until.replace(tzinfo=UTC) if until is not None else None
        return train_from_store(review.database, _ACTOR, target, corpora, before, priors, recipe, progress)


def warn_of_another_pack(review: Review, settings: Settings) -> None:
    """Say so where a pack is about to serve that is not the one promoted last."""
    from coder_assist.suggest import load_pack

    newest = next(iter(review.store.promotions.all()), None)
    if newest is not None and newest.pack != (serving := load_pack(settings.pack).version):
        errors.print(
            f"note: {serving} serves; promoted last was {newest.pack}",
            highlight=False,
            soft_wrap=True,
            style="yellow",
        )


@packs_app.command("shadow")
def shadow(pack: _Pack) -> None:
    """Let a challenger read the submitted encounters that it did not learn from, unseen by anybody.

    Started again, it reads what is new.
    """
    from coder_assist.challenge import cast_shadows, learnt_until
    from coder_assist.suggest import Coder

    with open_review() as review, errors.status("loading the pack") as status:
        count = cast_shadows(review.store.shadows, Coder.load(pack), learnt_until(pack), status.update)
    out.print(f"{count} encounters read in shadow", highlight=False)


@packs_app.command("gates")
def show_gates(pack: _Pack) -> None:
    """Hold a challenger's shadow runs against what was shown and decided. The exit code is 1 if a gate is shut."""
    with open_review() as review, errors.status("comparing"):
        _, found = _gates_of(review, pack)
    _show(found)
    if not found.passed:
        raise typer.Exit(1)


@packs_app.command("promote")
def promote(
    pack: _Pack,
    by: Annotated[str, typer.Option(help="Who puts it to use, by name: a data scientist or administrator.")],
    force: Annotated[
        str | None,
        typer.Option(help="Put it to use though a gate is shut, for this reason, which the audit log keeps."),
    ] = None,
) -> None:
    """Record that a challenger is put to use. It is refused, with exit code 1, where a gate is shut."""
    from coder_assist.errors import PromotionRefused

    with open_review() as review:
        person = review.people.named(by)
        if person.role not in MAY_PROMOTE:
            raise NotAllowed(f"{person.role} may not promote a pack; expected {' or '.join(MAY_PROMOTE)}")
        with errors.status("comparing"):
            version, found = _gates_of(review, pack)
        _show(found)
        try:
            made = review.store.promotions.record(
                Actor(person.id, person.role), version, found.as_record(), force or "", found.failures
            )
        except PromotionRefused:
            errors.print("refused: a gate is shut; --force REASON puts the pack to use all the same")
            raise typer.Exit(1) from None
    instead = f" instead of {made.previous}" if made.previous else ""
    out.print(
        f"{made.pack} is promoted{instead}; serve it by CODER_ASSIST_PACK={pack}",
        highlight=False,
        soft_wrap=True,
    )


@packs_app.command("list")
def list_promotions() -> None:
    """List the packs that were put to use, newest first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("pack", "since", "by", "gates", "reason"):
        table.add_column(column, overflow="fold")
    with open_review() as review:
        names = {person.id: person.name for person in review.people.everyone()}
        for made in review.store.promotions.all():
            gate = "passed" if made.metrics.get("passed") else "forced"
            by = escape(names.get(made.by, made.by))
            table.add_row(made.pack, f"{made.at:%Y-%m-%d %H:%M}", by, gate, escape(made.reason))
    out.print(table)


def _gates_of(review: Review, pack: Path) -> tuple[str, Gates]:
    from coder_assist.challenge import gates_of, learnt_until
    from coder_assist.codes import Shelf
    from coder_assist.suggest import load_pack

    version = load_pack(pack).version
    library = Shelf.of(Settings()).library_for(None)[0]
    return version, gates_of(review.store.shadows, version, library, learnt_until(pack))


def _show(found: Gates) -> None:
    out.print(
        f"{found.encounters} encounters that {found.challenger} did not learn from, shown by {found.champion}",
        highlight=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "", "shown", "challenger", "difference", "p"):
        table.add_column(column, justify="left" if not column else "right")
    for system, figures in found.figures.items():
        for name, figure in figures.items():
            cells = (figure[key] for key in ("champion", "challenger", "difference", "p"))
            table.add_row(system, name, *("–" if cell is None else f"{cell:.3f}" for cell in cells))
    out.print(table)
    for failure in found.failures:
        out.print(f"[red]shut[/red] {escape(failure)}", highlight=False, soft_wrap=True)
    out.print("all gates are open" if found.passed else f"{len(found.failures)} gates are shut", style="dim")

"""The card of a pack: what it is for, what it learnt from, how good it is, where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from coder_assist.learn.training import FOLDS

QUOTED = ("f1", "recall_at_20", "map", "reach", "first_listed", "evidence", "ece")


class Made(Protocol):
    """What the card says of how a pack was made (see ``packing.Recipe``)."""

    @property
    def any_assertion(self) -> bool: ...  # noqa: D102

    @property
    def estimator(self) -> str | None: ...  # noqa: D102


def make_card(name: str, record: Mapping[str, Any], made: Made, private: bool) -> str:
    """Return the Markdown of ``CARD.md`` from what ``metrics.json`` records.

    ``private`` says that some of the notes were patients', whose words are kept under rules.
    """
    kept = (
        "Words of notes are kept only as 64-bit hashes; of patients' notes only phrases that at least three patients "
        "share, and none with a digit or a word outside of the lexicon."
        if private
        else "Words of notes are kept only as 64-bit hashes."
    )
    cuts = record["thresholds"]
    return "\n".join(
        [
            f"# Model pack `{name}`",
            "",
            "## Intended use",
            "",
            "Orders and preselects code suggestions for a medical coder, who decides. Not for coding without review.",
            *(_DENIED if made.any_assertion else ()),
            "",
            "## Trained on",
            "",
            *(
                f"- `{source['file']}`: {source['notes']} notes, SHA-256 {source['sha256'][:16]}"
                + (f", submitted before {source['until']}" if "until" in source else "")
                for source in record["trained_on"]
            ),
            "",
            f"The pack holds weights, thresholds and counts. {kept}",
            *(("", f"Ranked by the estimator `{made.estimator}`.") if made.estimator else ()),
            "",
            f"## Figures, {FOLDS}-fold out of fold (95 % bootstrap interval over notes)",
            "",
            *_table(record["out_of_fold"]),
            "",
            "Preselected from: " + ", ".join(f"{system} {cut:.2f}" for system, cut in cuts.items()) + ".",
            *_alone(record.get("alone")),
            "",
            "## Limits",
            "",
            "- The authored lexicon was written with the first training corpus in view, so figures on it are somewhat high;",
            "  figures on notes that nobody read are in the README.",
            "- Codes were assigned by one careful coder; E/M levels, anesthesia and drug supply codes are left out.",
            "- ICD-10-CM edition April 2026. Known failure groups: obstetric combinations, spine levels, external causes,",
            "  procedures whose neighbours differ by number or size.",
            "",
        ]
    )


_DENIED = (
    "Its notes were coded whatever they say of a finding, so it proposes denied findings and a relative's too, each",
    "marked with why others would withhold it. Do not use it on claims.",
)


def _table(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = ["| | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for metric in QUOTED:
        cells = [_cell(figures[metric], figures["intervals"][metric]) for figures in metrics.values()]
        rows.append(f"| {metric} | " + " | ".join(cells) + " |")
    return rows


def _cell(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None or interval is None:
        return "-"
    return f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _alone(alone: Mapping[str, Any] | None) -> list[str]:
    if alone is None:
        return []
    lines = ["", f"## A pack of `{alone['file']}` alone, without prior counts", ""]
    lines += [f"{FOLDS}-fold out of fold on its own notes:", "", *_table(alone["out_of_fold"])]
    if "other_corpora" in alone:
        lines += ["", "On the notes of the other corpora, none of which it has seen:", ""]
        lines += _table(alone["other_corpora"])
    return lines

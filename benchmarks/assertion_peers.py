"""Run the assertion phrases through coder_assist, medspaCy's ConText and negspacy, and print a table by behaviour.

Each peer lives in a virtual environment of its own::

    python3 -m venv PEERS/medspacy && PEERS/medspacy/bin/pip install medspacy
    python3 -m venv PEERS/negspacy && PEERS/negspacy/bin/pip install negspacy
    python benchmarks/assertion_peers.py --python medspacy=PEERS/medspacy/bin/python \\
        --python negspacy=PEERS/negspacy/bin/python --out benchmarks/assertion.md

All are asked about the same characters: the peers are handed the mention of each row as an entity, so
that only the judgement is compared and not how mentions are found. Sentences for ConText come from
PyRuSH and sections from medspaCy's sectionizer, both as medspaCy ships them; negspacy gets spaCy's sentencizer
and its ``en_clinical`` termset. A row counts as right where all of its labels are right. negspacy judges
negation only, so there is a second column for everybody: negated or not.

The phrases were written for coder_assist, whose cues were worked on until they passed: the table shows
what the phrases ask for, and is no ranking of the tools on notes.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

PHRASES = Path(__file__).parent.parent / "corpora" / "regression" / "assertion.tsv"
LABELS = ("negated", "uncertain", "historical", "hypothetical", "family")


def read_rows() -> list[dict[str, str]]:
    """Return the rows, with line breaks put back."""
    with PHRASES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        row["text"] = row["text"].replace("\\n", "\n")
    return rows


def place_of(row: dict[str, str]) -> tuple[int, int]:
    """Return the offsets of a row's mention."""
    start = row["text"].lower().index(row["mention"].lower())
    return start, start + len(row["mention"])


def judge_ours(rows: list[dict[str, str]]) -> list[str]:
    """Judge with coder_assist, by the mention that covers most of the row's."""
    from coder_assist.codes.compiler import store_for
    from coder_assist.codes.editions import installed_editions
    from coder_assist.settings import Settings
    from coder_assist.text import NoteReader
    from coder_assist.types import Note, Span

    settings = Settings()
    reader = NoteReader(store_for(installed_editions(settings.editions_dir)[-1], settings.cache_dir))
    answers = []
    for row in rows:
        wanted = Span(*place_of(row))
        mentions = [
            mention
            for mention in reader.read(Note("row", row["text"])).mentions
            if any(span.overlaps(wanted) for span in mention.spans)
        ]
        if not mentions:
            answers.append("not found")
            continue
        best = max(
            mentions,
            key=lambda m: (min(m.span.end, wanted.end) - max(m.span.start, wanted.start), -len(m.span)),
        )
        judged = best.assertion
        found = {
            judged.polarity.value,
            judged.certainty.value,
            judged.temporality.value,
            judged.experiencer.value,
        }
        answers.append(" ".join(label for label in LABELS if label in found) or "affirmed")
    return answers


def judge_medspacy(rows: list[dict[str, str]]) -> list[str]:
    """Judge with medspaCy's ConText and section attributes."""
    import medspacy
    from spacy.tokens import Doc
    from spacy.util import filter_spans

    nlp = medspacy.load(medspacy_enable=["medspacy_pyrush", "medspacy_sectionizer", "medspacy_context"])
    answers = []
    for row in rows:
        start, end = place_of(row)
        doc: Doc = nlp.make_doc(row["text"])
        span = doc.char_span(start, end, label="CONDITION", alignment_mode="expand")
        doc.ents = filter_spans([span])
        for _, pipe in nlp.pipeline:
            doc = pipe(doc)
        entity = doc.ents[0]._
        flags = {
            "negated": entity.is_negated,
            "uncertain": entity.is_uncertain,
            "historical": entity.is_historical,
            "hypothetical": entity.is_hypothetical,
            "family": entity.is_family,
        }
        answers.append(" ".join(label for label in LABELS if flags[label]) or "affirmed")
    return answers


def judge_negspacy(rows: list[dict[str, str]]) -> list[str]:
    """Judge with negspacy, which knows negation only."""
    import spacy
    from negspacy.negation import Negex  # noqa: F401  (registers the factory)
    from negspacy.termsets import termset
    from spacy.tokens import Doc

    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    nlp.add_pipe("negex", config={"neg_termset": termset("en_clinical").get_patterns()})
    answers = []
    for row in rows:
        start, end = place_of(row)
        doc: Doc = nlp.make_doc(row["text"])
        doc.ents = [doc.char_span(start, end, label="CONDITION", alignment_mode="expand")]
        for _, pipe in nlp.pipeline:
            doc = pipe(doc)
        answers.append("negated" if doc.ents[0]._.negex else "affirmed")
    return answers


JUDGES = {"coder_assist": judge_ours, "medspacy": judge_medspacy, "negspacy": judge_negspacy}
DISTRIBUTIONS = {"coder_assist": "coder-assist", "medspacy": "medspacy", "negspacy": "negspacy"}


def table(rows: list[dict[str, str]], answers: dict[str, dict[str, list[str] | str]]) -> str:
    """Return the Markdown table: right on all labels, and right on negation alone in brackets."""
    names = list(answers)
    heads = [f"{name} {answers[name]['version']}" for name in names]
    lines = ["| behaviour | rows | " + " | ".join(heads) + " |", "| --- | ---: |" + " ---: |" * len(names)]
    total: Counter[str] = Counter(row["behaviour"] for row in rows)
    right: Counter[tuple[str, str]] = Counter()
    polarity: Counter[tuple[str, str]] = Counter()
    for name in names:
        for row, answer in zip(rows, answers[name]["answers"], strict=True):
            same = set(answer.split()) == set(row["expected"].split())
            for group in (row["behaviour"], "all"):
                right[name, group] += same
                polarity[name, group] += ("negated" in answer) == ("negated" in row["expected"])
    total["all"] = len(rows)
    for group, count in total.items():
        cells = [f"{right[name, group]} ({polarity[name, group]})" for name in names]
        lines.append(f"| {group} | {count} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> int:
    """Judge in this environment (``--judge``), or run every environment and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--python", action="append", default=[], metavar="PEER=PATH", help="a peer's interpreter"
    )
    parser.add_argument("--judge", choices=JUDGES, help="judge with one tool, here, and print JSON")
    parser.add_argument("--out", type=Path, help="also write the table, with the command, to this file")
    options = parser.parse_args()
    rows = read_rows()
    if options.judge:
        answers = JUDGES[options.judge](rows)
        json.dump({"version": version(DISTRIBUTIONS[options.judge]), "answers": answers}, sys.stdout)
        return 0
    pythons = {"coder_assist": sys.executable, **dict(item.split("=", 1) for item in options.python)}
    answers = {}
    for name, python in pythons.items():
        command = [python, str(Path(__file__).resolve()), "--judge", name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{name}: could not be run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        answers[name] = json.loads(done.stdout[done.stdout.index('{"version"') :])
    text = table(rows, answers)
    print(text)
    if options.out:
        command = "python benchmarks/assertion_peers.py " + " ".join(
            f"--python {item}" for item in options.python
        )
        about = "\n\n".join(part.replace("\n", " ") for part in (__doc__ or "").split("\n\n")[3:])
        intro = (
            "# Assertion, beside two peers\n\n"
            "Rows right on every label; in brackets, right on negated or not. Made by\n\n"
            f"    {command} --out benchmarks/assertion.md\n\n{about.strip()}\n\n"
        )
        options.out.write_text(intro + text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What an evaluation is made of: metrics by part, the codes that go wrong, and what another pack changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coder_assist.codes import Library
from coder_assist.codes.chapters import chapter_of
from coder_assist.learn.coverage import title_of
from coder_assist.learn.evaluation import Evaluation, Record
from coder_assist.measure import NoteScore, Part, Scores, left_out, meets, score_notes, summarize
from coder_assist.text.sections import find_sections


def breakdown(evaluation: Evaluation, library: Library, by: Part) -> dict[str, dict[str, Scores]]:
    """Return the metrics of each system by part: ``{system: {part: scores}}``, most required codes first.

    A setting, specialty or corpus is a set of notes. A chapter or section is a set of codes over all notes: a code
    stands where its first gold evidence does, one without gold evidence where its first proposed evidence does.
    """
    result: dict[str, dict[str, Scores]] = {}
    for system in evaluation.notes:
        parts: dict[str, list[NoteScore]] = defaultdict(list)
        if by in (Part.SETTING, Part.SPECIALTY, Part.CORPUS):
            for line, note in zip(evaluation.lines, evaluation.notes[system], strict=True):
                parts[str(line.get(by.value) or "not stated")].append(note)
        else:
            keys = [_keys(evaluation, library, system, line, by) for line in evaluation.lines]
            for part in {part for places in keys for part in places.values()}:
                golds = [
                    _only(line, "codes", places, part, system)
                    for line, places in zip(evaluation.lines, keys, strict=True)
                ]
                proposed = {
                    line["id"]: _only(evaluation.predictions[line["id"]], "suggestions", places, part, system)
                    for line, places in zip(evaluation.lines, keys, strict=True)
                }
                parts[part] = score_notes(system, golds, proposed)
        scores = {part: summarize(system, notes) for part, notes in parts.items()}
        result[system] = dict(sorted(scores.items(), key=lambda item: (-item[1].required, item[0])))
    return result


def _keys(evaluation: Evaluation, library: Library, system: str, line: Record, by: Part) -> dict[str, str]:
    """Return the part of each code of a line and its prediction."""
    proposed = [s for s in evaluation.predictions[line["id"]]["suggestions"] if s["system"] == system]
    golds = [code for code in line["codes"] if code["system"] == system]
    if by is Part.CHAPTER:
        return {item["code"]: chapter_of(library, system, item["code"]) for item in (*golds, *proposed)}
    sections = find_sections(line["text"])
    places = {code["code"]: "no evidence" for code in golds}
    places |= {s["code"]: s["evidence"][0]["section"] for s in proposed if s["evidence"]}
    for code in golds:
        for piece in (code.get("evidence") or ())[:1]:
            kinds = [s.kind.value for s in sections if s.span.start <= piece["start"] < s.span.end]
            places[code["code"]] = kinds[0] if kinds else "other"
    return places


def _only(line: Record, key: str, places: Mapping[str, str], part: str, system: str) -> Record:
    kept = [item for item in line[key] if item["system"] == system and places[item["code"]] == part]
    return {"id": line["id"], key: kept}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one code of one note: ``hit``, ``miss`` or ``false positive``, and the words for it."""

    note_id: str
    code: str
    kind: str
    proposed: bool
    words: str


def outcomes(evaluation: Evaluation, system: str) -> Iterator[Outcome]:
    """Yield the outcome of each required and each selected code of a system; neutral ones are left out."""
    for line in evaluation.lines:
        golds = [code for code in line["codes"] if code["system"] == system]
        required = {code["code"]: code for code in golds if code["status"] == "required"}
        optional = [code["code"] for code in golds if code["status"] != "required"]
        proposed = [s for s in evaluation.predictions[line["id"]]["suggestions"] if s["system"] == system]
        proposed.sort(key=lambda s: -s["score"])
        missing = dict(required)
        for s in proposed:
            if not s["selected"]:
                continue
            code = s["code"]
            met = code if code in missing else next((g for g in missing if meets(system, g, code)), None)
            words = s["evidence"][0]["text"] if s["evidence"] else ""
            if met is not None:
                del missing[met]
                yield Outcome(line["id"], met, "hit", True, words)
            elif not left_out(system, code) and not any(meets(system, o, code) for o in optional):
                yield Outcome(line["id"], code, "false positive", True, words)
        for code, gold in missing.items():
            words = " | ".join(piece.get("text", "") for piece in gold.get("evidence") or ())
            ranked = any(meets(system, code, s["code"]) for s in proposed)
            yield Outcome(line["id"], code, "miss", ranked, words)


@dataclass(frozen=True, slots=True)
class Frequent:
    """A code that went wrong, in how many notes, in how many of those it was proposed, and some of the words."""

    code: str
    title: str
    notes: int
    proposed: int
    words: tuple[str, ...]


def frequent_errors(
    evaluation: Evaluation, library: Library, system: str, kind: str, most: int, examples: int = 3
) -> list[Frequent]:
    """Return the codes that most often are of a kind of ``Outcome``, most frequent first."""
    found: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes(evaluation, system):
        if outcome.kind == kind:
            found[outcome.code].append(outcome)
    ranked = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))[:most]
    return [
        Frequent(
            code,
            title_of(library, system, code),
            len(cases),
            sum(case.proposed for case in cases),
            tuple(dict.fromkeys(case.words for case in cases if case.words))[:examples],
        )
        for code, cases in ranked
    ]


@dataclass(frozen=True, slots=True)
class Change:
    """A code for which another pack does better or worse, and in how many notes."""

    code: str
    title: str
    better: int
    worse: int


def changes(first: Evaluation, second: Evaluation, library: Library, system: str) -> list[Change]:
    """Return the codes whose outcome differs between two packs: the most improved first, the worst last.

    Better is a code found that was missed, or a false positive less; worse is the reverse.
    """
    before, after = (
        {(o.note_id, o.code, o.kind) for o in outcomes(evaluation, system) if o.kind != "hit"}
        for evaluation in (first, second)
    )
    better = Counter(code for _, code, _ in before - after)
    worse = Counter(code for _, code, _ in after - before)
    codes = sorted(better.keys() | worse.keys(), key=lambda c: (worse[c] - better[c], c))
    return [Change(c, title_of(library, system, c), better[c], worse[c]) for c in codes]

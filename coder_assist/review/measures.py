"""What the accuracy report counts: each measure once in Python, and once in SQL over the exported tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from coder_assist.review.facts import CodeFact, EncounterFact
from coder_assist.types import Verdict

INDUSTRY_LINE = 0.95
ANSWERED = (Verdict.ACCEPT, Verdict.REJECT, Verdict.REPLACE)
_ANSWERED_SQL = "verdict IN ('accept', 'reject', 'replace')"


class Scope(StrEnum):
    """Which encounters a measure counts."""

    ALL = "all"
    AUDITED = "audited"
    SECOND = "second"


class Rows(StrEnum):
    """What a measure counts within an encounter; the views of the documented queries are named so."""

    CODES = "code_rows"
    CATEGORIES = "category_rows"
    ENCOUNTERS = "encounter_rows"


Codes = Sequence[CodeFact]
Count = Callable[[EncounterFact, Codes], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Measure:
    """A number of the report: its name, what it says, how it counts, and the same in SQL.

    Of ``faults`` the hits are what is wrong, of all others what is right.
    """

    name: str
    title: str
    says: str
    scope: Scope
    rows: Rows
    count: Count
    hits: str
    total: str
    faults: bool = False

    def query(self, by: str | None = None) -> str:
        """Return the query over the documented views that gives hits, total, value and interval, by a column."""
        where = {
            Scope.ALL: "TRUE",
            Scope.AUDITED: "audit IS NOT NULL",
            Scope.SECOND: "second_coder IS NOT NULL",
        }[self.scope]
        weight = "any_value(weight)" if self.scope is Scope.AUDITED else "1.0"
        part, group, order = (
            (f"{by} AS part, ", ", part", " GROUP BY part ORDER BY part") if by else ("", "", "")
        )
        # Only names of this module and its callers go into it, nothing that anybody typed.
        units = (
            f"SELECT {part}encounter, {weight} AS w, sum({self.hits}) AS h, sum({self.total}) AS t "  # noqa: S608
            f"FROM {self.rows} WHERE {where} GROUP BY encounter{group} HAVING t > 0"
        )
        shown = "part, " if by else ""
        return f"SELECT {shown}{SHARE} FROM ({units}){order}"  # noqa: S608


# Value and interval of a share over encounters drawn as wholes, as ``measure.clustered_share`` has them: per
# encounter ``h`` of ``t`` with the weight ``w``.
SHARE = (
    "sum(h) AS hits, sum(t) AS total, sum(w * h) / sum(w * t) AS value, "
    "interval_of(sum(w * h) / sum(w * t), count(*), sum(w * t), sum(w * w * t), sum(w * w * h * h), "
    "sum(w * w * h * t), sum(w * w * t * t)) AS interval"
)

# The views that ``Measure.query`` reads; ``{directory}`` is where the Parquet files are.
VIEWS = """
CREATE VIEW encounter_rows AS SELECT * FROM '{directory}/encounters.parquet';
CREATE VIEW code_rows AS
  SELECT * FROM '{directory}/codes.parquet' JOIN encounter_rows USING (encounter);
CREATE VIEW category_rows AS
  SELECT * FROM (
    SELECT encounter, system, category, bool_or(final) AS final, bool_or(submitted) AS submitted,
           bool_or(selected AND "right" IS NOT NULL) AS selected
    FROM '{directory}/codes.parquet' GROUP BY encounter, system, category
  ) JOIN encounter_rows USING (encounter);
CREATE VIEW decision_rows AS SELECT * FROM '{directory}/decisions.parquet';
CREATE VIEW finding_rows AS SELECT * FROM '{directory}/findings.parquet';
CREATE MACRO student(f) AS 1.959964 + 2.372273 / f + 2.822534 / f ** 2 + 2.555900 / f ** 3;
CREATE MACRO effective_size(p, n, size, kish, hh, ht, tt) AS
  CASE WHEN n > 1 AND p > 0 AND p < 1 AND hh - 2 * p * ht + p * p * tt > 1e-12
       THEN least(size * size / kish, p * (1 - p) / (n / (n - 1) * (hh - 2 * p * ht + p * p * tt) / size ** 2)
                                      * (1.959964 / student(greatest(n - 1, 3))) ** 2)
       ELSE size * size / kish END;
CREATE MACRO wilson(p, n) AS [
  greatest(0, (p + 1.920729 / n - 1.959964 * sqrt(p * (1 - p) / n + 0.960365 / n ** 2)) / (1 + 3.841459 / n)),
  least(1, (p + 1.920729 / n + 1.959964 * sqrt(p * (1 - p) / n + 0.960365 / n ** 2)) / (1 + 3.841459 / n))];
CREATE MACRO interval_of(p, n, size, kish, hh, ht, tt) AS
  wilson(p, effective_size(p, n, size, kish, hh, ht, tt));
"""


def _int(condition: str) -> str:
    return f"({condition})::INT"


def _of_codes(
    name: str,
    title: str,
    says: str,
    scope: Scope,
    hit: Callable[[CodeFact], bool],
    among: Callable[[CodeFact], bool],
    hits: str,
    total: str,
    faults: bool = False,
) -> Measure:
    """Return the measure that is the share of hits among some codes."""

    def count(_: EncounterFact, codes: Codes) -> tuple[int, int]:
        counted = [code for code in codes if among(code)]
        return sum(map(hit, counted)), len(counted)

    return Measure(
        name, title, says, scope, Rows.CODES, count, _int(f"({hits}) AND ({total})"), _int(total), faults
    )


def _of_encounters(
    name: str,
    title: str,
    says: str,
    scope: Scope,
    answer: Callable[[EncounterFact], bool | None],
    column: str,
) -> Measure:
    def count(encounter: EncounterFact, _: Codes) -> tuple[int, int]:
        found = answer(encounter)
        return int(found is True), int(found is not None)

    return Measure(
        name,
        title,
        says,
        scope,
        Rows.ENCOUNTERS,
        count,
        _int(f"coalesce({column}, FALSE)"),
        _int(f"{column} IS NOT NULL"),
    )


def _f1(
    name: str, title: str, scope: Scope, proposed: Callable[[CodeFact], bool], column: str, category: bool
) -> Measure:
    """Return the F1 of proposed codes (or their categories) against those that stand."""

    def count(_: EncounterFact, codes: Codes) -> tuple[int, int]:
        first = {code_key(code, category) for code in codes if proposed(code)}
        second = {code_key(code, category) for code in codes if code.final}
        return 2 * len(first & second), len(first) + len(second)

    what = "categories (three characters of a diagnosis)" if category else "codes"
    judged = column if category or column != "selected" else '(selected AND "right" IS NOT NULL)'
    return Measure(
        name,
        title,
        f"Twice the {what} in both sets, by the sum of both sets' sizes.",
        scope,
        Rows.CATEGORIES if category else Rows.CODES,
        count,
        f"2 * {_int(f'{judged} AND final')}",
        f"{_int(judged)} + {_int('final')}",
    )


def code_key(code: CodeFact, category: bool) -> tuple[str, str]:
    """Return what makes two codes the same, exactly or by category."""
    return code.system, code.category if category else code.code


def _judged(code: CodeFact) -> bool:
    return code.selected and code.right is not None


def _suggestions(scope: Scope) -> tuple[Measure, ...]:
    """Return the measures of the tool's preselected codes against those that stand."""
    at = "" if scope is Scope.ALL else "audited_"
    return (
        _of_codes(
            f"{at}suggestion_precision",
            "Precision of preselected codes",
            "Preselected codes that stand, of those that the review judged right or wrong.",
            scope,
            lambda c: c.right is True,
            _judged,
            '"right"',
            'selected AND "right" IS NOT NULL',
        ),
        _of_codes(
            f"{at}suggestion_recall",
            "Recall of preselected codes",
            "Codes that stand, of which the tool had preselected so many.",
            scope,
            lambda c: c.selected,
            lambda c: c.final,
            "selected",
            "final",
        ),
        _f1(f"{at}suggestion_f1", "F1 of preselected codes", scope, _judged, "selected", False),
        _f1(f"{at}suggestion_f1_category", "F1 by category", scope, _judged, "selected", True),
        _of_codes(
            f"{at}suggestion_reach",
            "Codes proposed at all",
            "Codes that stand, of which the tool had proposed so many, preselected or not.",
            scope,
            lambda c: c.probability is not None,
            lambda c: c.final,
            "probability IS NOT NULL",
            "final",
        ),
        _of_encounters(
            f"{at}suggestion_first",
            "First-listed diagnosis proposed first",
            "Encounters with a first-listed diagnosis that stands, where the tool had put the same one first.",
            scope,
            lambda e: e.suggested_first_right,
            "suggested_first_right",
        ),
    )


SUGGESTIONS = _suggestions(Scope.ALL)
SUGGESTIONS_AUDITED = _suggestions(Scope.AUDITED)
SUGGESTIONS_SECOND = (
    _of_codes(
        "second_suggestion_precision",
        "Precision of preselected codes",
        "Preselected codes that a second reader coded too, who saw neither the suggestions nor the coder's codes.",
        Scope.SECOND,
        lambda c: c.second is True,
        lambda c: c.selected,
        "second",
        "selected",
    ),
    _of_codes(
        "second_suggestion_recall",
        "Recall of preselected codes",
        "Codes of the second reader, of which the tool had preselected so many.",
        Scope.SECOND,
        lambda c: c.selected,
        lambda c: c.second is True,
        "selected",
        "second",
    ),
)
CODERS = (
    _of_codes(
        "code_accuracy",
        "Code accuracy",
        "Submitted codes without any error, by submitted and missed codes. A wrong code and its correction are "
        "one error.",
        Scope.AUDITED,
        lambda c: c.submitted and not c.error,
        lambda c: c.submitted or c.error == "missed",
        "submitted AND error = ''",
        "submitted OR error = 'missed'",
    ),
    _of_codes(
        "coder_precision",
        "Precision",
        "Submitted codes that stand after the audit.",
        Scope.AUDITED,
        lambda c: c.final,
        lambda c: c.submitted,
        "final",
        "submitted",
    ),
    _of_codes(
        "coder_recall",
        "Recall",
        "Codes that stand after the audit, of which the coder had submitted so many.",
        Scope.AUDITED,
        lambda c: c.submitted,
        lambda c: c.final,
        "submitted",
        "final",
    ),
    _f1("coder_f1", "F1", Scope.AUDITED, lambda c: c.submitted, "submitted", False),
    _f1("coder_f1_category", "F1 by category", Scope.AUDITED, lambda c: c.submitted, "submitted", True),
    _of_encounters(
        "coder_first",
        "First-listed diagnosis right",
        "Encounters with a diagnosis whose first-listed one was not overturned.",
        Scope.AUDITED,
        lambda e: e.first_right,
        "first_right",
    ),
    _of_encounters(
        "fully_correct",
        "Encounters fully correct",
        "Audited encounters without any error.",
        Scope.AUDITED,
        lambda e: e.fully_correct,
        "fully_correct",
    ),
    _of_codes(
        "over_coding",
        "Over-coding",
        "Submitted codes that the notes do not support.",
        Scope.AUDITED,
        lambda c: c.error == "unsupported",
        lambda c: c.submitted,
        "error = 'unsupported'",
        "submitted",
        faults=True,
    ),
    _of_codes(
        "under_coding",
        "Under-coding",
        "Codes that stand after the audit and were missed.",
        Scope.AUDITED,
        lambda c: c.error == "missed",
        lambda c: c.final,
        "error = 'missed'",
        "final",
        faults=True,
    ),
)
ANSWERS = (
    _of_codes(
        "acceptance",
        "Acceptance",
        "Suggestions accepted as they were, of those accepted, rejected or replaced.",
        Scope.ALL,
        lambda c: c.verdict == Verdict.ACCEPT,
        lambda c: c.probability is not None and c.verdict in ANSWERED,
        "verdict = 'accept'",
        f"probability IS NOT NULL AND {_ANSWERED_SQL}",
    ),
    _of_codes(
        "override",
        "Override of preselected codes",
        "Preselected suggestions rejected or replaced, of those accepted, rejected or replaced.",
        Scope.ALL,
        lambda c: c.verdict != Verdict.ACCEPT,
        lambda c: c.selected and c.verdict in ANSWERED,
        "verdict <> 'accept'",
        f"selected AND {_ANSWERED_SQL}",
        faults=True,
    ),
)
MEASURES = (*SUGGESTIONS, *SUGGESTIONS_AUDITED, *SUGGESTIONS_SECOND, *CODERS, *ANSWERS)

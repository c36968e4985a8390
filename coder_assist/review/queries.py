"""The queries that give the report's other numbers again, over the views of ``measures.VIEWS``.

Measures bring their own. What is not here is told in words: the interval of kappa (a seeded bootstrap), the
probabilities of drift (tests on the rates that are here), and the vocabulary, which is never exported.
"""

from __future__ import annotations

from coder_assist.measure import BINS, LEAST_SCORE
from coder_assist.review.measures import Scope

COUNTS = (
    "SELECT count(*) AS submitted, count(audit) AS audited, count(second_coder) AS second FROM encounter_rows",
    "SELECT count(*) AS decisions FROM decision_rows",
)
ERRORS = "SELECT error, count(*) AS count FROM code_rows WHERE error <> '' GROUP BY error"
OVERTURNS = (
    "SELECT rebutted, final, count(*) AS count FROM finding_rows WHERE verdict = 'overturn' GROUP BY ALL"
)
ANSWERED = "SELECT verdict, count(*) AS count FROM code_rows WHERE probability IS NOT NULL GROUP BY verdict"
REASONS = (
    "SELECT reason, count(*) AS count FROM code_rows WHERE probability IS NOT NULL AND reason <> '' "
    "GROUP BY reason"
)
# Of each period that drift compares, from an export of its own.
CATEGORIES = (
    "SELECT system || ' ' || category AS what, "
    "count(DISTINCT encounter)::DOUBLE / (SELECT count(*) FROM encounter_rows) AS share "
    "FROM code_rows WHERE submitted GROUP BY what ORDER BY what"
)
SCORES = (
    "SELECT avg(mean) AS mean FROM (SELECT avg(probability) AS mean FROM code_rows "
    "WHERE selected AND probability IS NOT NULL GROUP BY encounter)"
)
CHAPTERS = (
    "SELECT chapter, count(*) AS count FROM code_rows WHERE submitted GROUP BY chapter ORDER BY chapter"
)


def calibration(scope: Scope) -> tuple[str, str]:
    """Return the queries of the bins of a reliability plot, and of the expected calibration error."""
    where = {Scope.ALL: "TRUE", Scope.AUDITED: "audit IS NOT NULL", Scope.SECOND: "second_coder IS NOT NULL"}
    points = (
        'SELECT probability AS p, "right"::INT AS y, count(*) OVER () AS n, '
        'row_number() OVER (ORDER BY probability, "right") AS place FROM code_rows '
        f'WHERE probability >= {LEAST_SCORE} AND "right" IS NOT NULL AND {where[scope]}'
    )
    bins = (
        f"SELECT ({BINS} * place - 1) // n AS bin, avg(p) AS mean_probability, avg(y) AS share_right, "
        f"count(*) AS suggestions FROM ({points}) GROUP BY bin"
    )
    error = (
        "SELECT round(sum(suggestions * abs(mean_probability - share_right)) / sum(suggestions), 4) AS error "
        f"FROM ({bins})"
    )
    return f"{bins} ORDER BY bin", error


def agreement(category: bool) -> tuple[str, str]:
    """Return the queries of both readers' agreement: over all codes or categories, and of the first-listed."""
    name = f"system || '/' || {'category' if category else 'code'}"
    given = (
        f"SELECT encounter, {name} AS name, bool_or(submitted) AS a, bool_or(coalesce(second, FALSE)) AS b "
        "FROM code_rows WHERE second_coder IS NOT NULL GROUP BY ALL"
    )
    counts = (
        "SELECT count(*) FILTER (a AND b) AS both_gave, count(*) FILTER (a) AS one, count(*) FILTER (b) AS other, "
        "count(DISTINCT name) FILTER (a OR b) AS codes, count(DISTINCT encounter) FILTER (a <> b) AS unlike, "
        "(SELECT count(*) FROM encounter_rows WHERE second_coder IS NOT NULL) AS encounters FROM given"
    )
    every = (
        f"WITH given AS ({given}), counts AS ({counts}), shares AS (SELECT *, encounters * codes AS n, "
        "one / n AS p, other / n AS q, p * q + (1 - p) * (1 - q) AS chance, "
        "(n - one - other + 2 * both_gave) / n AS agreed FROM counts) "
        "SELECT encounters, CASE WHEN chance = 1 THEN 1 ELSE (agreed - chance) / (1 - chance) END AS kappa, "
        "both_gave / (one + other - both_gave) AS same_codes, 1 - unlike / encounters AS same_sets FROM shares"
    )
    firsts = (
        f"SELECT encounter, max(CASE WHEN submitted_first AND system = 'ICD-10-CM' THEN {name} END) AS a, "
        f"max(CASE WHEN second_first THEN {name} END) AS b FROM code_rows WHERE second_coder IS NOT NULL "
        "GROUP BY encounter HAVING a IS NOT NULL OR b IS NOT NULL"
    )
    first = (
        f"WITH firsts AS (SELECT coalesce(a, '') AS a, coalesce(b, '') AS b FROM ({firsts})), "
        "chances AS (SELECT sum(x.n * y.n) / (SELECT count(*) FROM firsts) ** 2 AS chance FROM "
        "(SELECT a AS name, count(*) AS n FROM firsts GROUP BY a) x JOIN "
        "(SELECT b AS name, count(*) AS n FROM firsts GROUP BY b) y USING (name)) "
        "SELECT avg((a = b)::INT) AS same_first, (same_first - coalesce(any_value(chance), 0)) / "
        "(1 - coalesce(any_value(chance), 0)) AS kappa FROM firsts LEFT JOIN chances ON TRUE"
    )
    return every, first

"""Procedures that are part of another one of the same operation, and so no suggestion of their own.

The knowledge is data (``integral.tsv``), each row with its authority: the look within the surgical scope,
the closing of the incision, the imaging that the code includes, the test within the panel.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from coder_assist.codes.sources import Integral, data_file, read_integral
from coder_assist.types import Code, System


class IntegralProcedures:
    """The packaged rows, looked up by pairs of codes."""

    def __init__(self) -> None:
        # A range of parts in each row.
        self._rows: list[tuple[str, str, Integral]] = [
            (first, last, row)
            for row in read_integral(data_file("integral.tsv"))
            for first, last in row.component
        ]
        self._comprising = lru_cache(maxsize=4096)(self._find)

    def authority(self, component: str, comprehensive: str) -> str | None:
        """Return on whose authority one procedure is part of another, ``None`` if it is not."""
        if component == comprehensive:
            return None
        for row in self._comprising(component):
            if any(first <= comprehensive <= last for first, last in row.comprehensive):
                return row.authority
        return None

    def _find(self, component: str) -> tuple[Integral, ...]:
        """Return the rows that name a procedure as a part; most procedures have none."""
        return tuple(row for first, last, row in self._rows if first <= component <= last)

    def whole(self, component: Code, others: Iterable[Code]) -> tuple[Code, str] | None:
        """Return the first of ``others`` that a procedure is part of, with the authority."""
        if component.system is not System.CPT or not self._comprising(component.value):
            return None
        for other in others:
            if other.system is System.CPT and (found := self.authority(component.value, other.value)):
                return other, found
        return None

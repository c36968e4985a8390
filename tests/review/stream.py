"""A process that decides without pause, to be killed: ``python -m tests.review.stream URL FIRST VERSION``.

Says ``try N VERSION`` before each decision and ``done N`` when the store has acknowledged it. Decision N adds
code N to one of ``ENCOUNTERS`` encounters, under key N. VERSION is that of the first decision's first try, 0 if
it was never tried.
"""

from __future__ import annotations

import sys
from itertools import count

from coder_assist.review.database import Database
from coder_assist.review.store import Store
from coder_assist.types import Code
from tests.review.building import LEA, add

ENCOUNTERS = 10


def main(url: str, first: int, version: int) -> None:
    """Decide until killed."""
    store = Store(Database.connect(url))
    for number in count(first):
        id = f"e{number % ENCOUNTERS}"
        seen = version if number == first and version else store.summary(id).version
        _say(f"try {number} {seen}")
        store.decide(LEA, id, seen, [add(Code.parse("CPT", f"{number:05d}"))], key=f"key-{number}")
        _say(f"done {number}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Everything that coder_assist raises on purpose.

.. code-block:: text

    CoderAssistError
    ├── InputError                what came in cannot be used
    │   ├── NoteError             a note: empty, too long, wrong type or encoding
    │   ├── InvalidRecordError    a note's JSON record; knows each field that is wrong
    │   ├── RecordError           a line of a JSONL file; knows its line number
    │   └── UnknownCode           a code that no installed book has
    ├── DataError                 a file of ours or the user's is not in its form
    │   ├── LexiconError          a row of a lexicon file; knows file and line
    │   ├── CorpusError           a coded note or corpus line; knows file and line
    │   ├── CodeBookError         an official release that cannot be read
    │   └── PackError             a model pack: missing, changed, untrusted or of another version
    ├── BatchError                many notes that cannot be begun or gone on with
    ├── SettingsError             a setting that is missing or out of range
    └── ReviewError               the review cannot do what was asked
        ├── NotFound              no such encounter, note, audit, person ...
        ├── NotAllowed            not by this person: another's encounter, another's finding
        ├── StateConflict         not in this state; knows the state
        ├── VersionConflict       somebody changed it meanwhile; knows what changed
        ├── Blocked               findings that must be answered first; knows them
        ├── PromotionRefused      a pack that fails a gate; knows which
        ├── KeyReused             an idempotency key that came with another request before
        ├── SignInError           who asks did not prove who they are
        ├── ThrottledError        too many tries; knows how long to wait
        ├── SchemaError           a database whose schema is not this version's
        └── DatabaseUnavailable   a database that is away, busy or without room

Messages say what was expected, what came and what to do. They carry ids, file names and line
numbers, never the text of a note.
"""

from __future__ import annotations

from coder_assist.types import Decision, Finding


class CoderAssistError(Exception):
    """Base of all errors raised on purpose."""


class InputError(CoderAssistError):
    """What came in cannot be used."""


class NoteError(InputError):
    """A note that cannot be read: empty, too long, not text."""


class InvalidRecordError(InputError):
    """A record that is not a note's. ``problems`` pairs each field with what is wrong with it.

    ``id`` is the record's id where it has a usable one. A field of ``""`` is the record itself.
    Neither the message nor ``problems`` repeats a value, for any value may be note text in the wrong place.
    """

    def __init__(self, id: str | None, problems: tuple[tuple[str, str], ...]) -> None:
        who = "record" if id is None else f"note {id!r}"
        super().__init__(f"{who}: " + "; ".join(f"{field} {problem}".strip() for field, problem in problems))
        self.id = id
        self.problems = problems


class RecordError(InputError):
    """A line of a JSONL file that is not a note record."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


class UnknownCode(InputError):
    """A code that no installed code book has."""


class DataError(CoderAssistError):
    """A data file that is not in its documented form."""


class LexiconError(DataError):
    """A row of a lexicon file that is not in its documented form."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}")
        self.file = file
        self.line = line


class CorpusError(DataError):
    """A coded note or corpus line that is not in its documented form; knows file and line."""

    def __init__(self, file: str, line: int, problem: str) -> None:
        super().__init__(f"{file}:{line}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem


class CodeBookError(DataError):
    """An official release that cannot be read."""


class PackError(DataError):
    """A model pack that is missing, changed, untrusted or made for another version."""


class SettingsError(CoderAssistError):
    """A setting that is missing or out of range."""


class BatchError(CoderAssistError):
    """Many notes that cannot be begun or gone on with.

    The input or the directory of a batch cannot be used, a worker has other versions or was killed, or a scheduler
    was lost. What was done so far stands.
    """


class ReviewError(CoderAssistError):
    """The review cannot do what was asked."""


class NotFound(ReviewError):
    """There is no such encounter, note, audit or person."""

    def __init__(self, kind: str, id: object) -> None:
        super().__init__(f"there is no {kind} {id!r}")
        self.kind = kind
        self.id = id


class NotAllowed(ReviewError):
    """The thing may be done, but not by this person."""


class StateConflict(ReviewError):
    """The encounter, run or finding is in a state that does not allow what was asked."""

    def __init__(self, subject: str, state: str, expected: tuple[str, ...]) -> None:
        super().__init__(f"{subject} is {state}; expected {' or '.join(expected)}")
        self.subject = subject
        self.state = state
        self.expected = expected


class VersionConflict(ReviewError):
    """Somebody else changed the encounter meanwhile; nothing was saved.

    ``version`` is the present one, ``changed`` are the decisions made since the version that came.
    """

    def __init__(self, encounter_id: str, came: int, version: int, changed: tuple[Decision, ...]) -> None:
        super().__init__(
            f"encounter {encounter_id!r} is at version {version}; the change was made for {came}"
        )
        self.encounter_id = encounter_id
        self.came = came
        self.version = version
        self.changed = changed


class Blocked(ReviewError):
    """An encounter cannot be submitted before these findings are answered."""

    def __init__(self, encounter_id: str, findings: tuple[Finding, ...]) -> None:
        rules = ", ".join(sorted({finding.rule for finding in findings}))
        super().__init__(f"encounter {encounter_id!r} cannot be submitted: {rules}")
        self.encounter_id = encounter_id
        self.findings = findings


class PromotionRefused(ReviewError):
    """A pack is not put to use: ``failures`` says in words which gates it does not pass."""

    def __init__(self, pack: str, failures: tuple[str, ...]) -> None:
        count = f"{len(failures)} gate{'' if len(failures) == 1 else 's'}"
        super().__init__(f"pack {pack} does not pass {count}: {'; '.join(failures)}")
        self.pack = pack
        self.failures = failures


class KeyReused(ReviewError):
    """An idempotency key came again with a different request."""


class SignInError(ReviewError):
    """Whoever asks did not prove who they are. The message tells nothing about what exists."""


class ThrottledError(ReviewError):
    """There were too many tries. ``wait`` is after how many seconds another one is let through."""

    def __init__(self, message: str, wait: int) -> None:
        super().__init__(f"{message} (in {wait} s)")
        self.wait = wait


class SchemaError(ReviewError):
    """The database's schema is not the one this version needs."""


class DatabaseUnavailable(ReviewError):
    """The database is away, busy or has no room. Nothing of what was asked counts as done until it is acknowledged."""

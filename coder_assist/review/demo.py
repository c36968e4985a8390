"""A demo: sample encounters and a person for each role, in a database of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path

import coder_assist
from coder_assist.errors import NotFound
from coder_assist.review.importing import from_records
from coder_assist.review.people import People
from coder_assist.review.records import Actor, ImportReport
from coder_assist.review.states import Role
from coder_assist.review.store import Store

# Of a checkout; an installed package has none.
CORPORA = Path(coder_assist.__file__).parent.parent / "corpora"
_NAMES = {role: f"Demo {role.value.replace('_', ' ')}" for role in Role}


def name_of(role: Role) -> str:
    """Return the name of the demo's person of a role."""
    return _NAMES[role]


def is_furnished(people: People) -> bool:
    """Say whether a database is a demo's: whether one of the demo's people may still sign in."""
    return any(person.active and person.name in _NAMES.values() for person in people.everyone())


def furnish(store: Store, people: People, samples: Iterable[object]) -> ImportReport:
    """Put the demo's people and sample encounters into a database; what is there already stays as it is."""
    for role, name in _NAMES.items():
        try:
            people.named(name)
        except NotFound:
            people.add(name, role)
    lead = people.named(_NAMES[Role.LEAD])
    return store.import_encounters(Actor(lead.id, lead.role), from_records(joined(samples)))


def joined(samples: Iterable[object]) -> list[object]:
    """Return samples with the notes of one ``encounter`` put together; its first note says the rest.

    >>> notes = [{"id": f"n{n}", "text": "-", "title": f"T{n}", "encounter": "e"} for n in (1, 2)]
    >>> [(sample["id"], sample["title"], len(sample["notes"])) for sample in joined(notes)]
    [('e', 'T1; T2', 2)]
    """
    encounters: dict[object, list[dict[str, object]]] = {}
    for place, sample in enumerate(samples):
        record = dict(sample) if isinstance(sample, Mapping) else {}
        encounters.setdefault(record.get("encounter") or place, []).append(record)
    return [_encounter(records) for records in encounters.values()]


def _encounter(records: list[dict[str, object]]) -> dict[str, object]:
    first = records[0]
    if len(records) == 1:
        return first
    return {
        **{name: value for name, value in first.items() if name != "text"},
        "id": first["encounter"],
        "title": "; ".join(str(record["title"]) for record in records if record.get("title")),
        "notes": [{name: record.get(name) for name in ("id", "title", "text")} for record in records],
    }


def sign_in_secrets(people: People) -> dict[Role, str]:
    """Return the secret of a new one-time link for each role."""
    return {role: people.link_for(name) for role, name in _NAMES.items()}


def samples(checkout: Path | None = None) -> list[dict[str, object]]:
    """Return the sample encounters: all written notes of a checkout's ``corpora``, else those of the package."""
    if checkout is not None and (checkout / "encounters.jsonl").is_file():
        with (checkout / "encounters.jsonl").open(encoding="utf-8") as lines:
            records = [_sample(line) for line in lines]
        plain = sorted((checkout / "samples").glob("*.txt"))
        records.extend({"id": file.stem, "text": file.read_text(encoding="utf-8")} for file in plain)
        return records
    with resources.files("coder_assist.review").joinpath("samples.jsonl").open(encoding="utf-8") as packaged:
        return [json.loads(line) for line in packaged]


def _sample(line: str) -> dict[str, object]:
    """Return a corpus line as a sample: its codes are what practice is compared with; an import ignores them."""
    record: dict[str, object] = json.loads(line)
    return {key: value for key, value in record.items() if key != "split"}


def packaged_samples(lines: Iterable[str], wanted: int = 12) -> Iterator[str]:
    """Yield the lines of ``samples.jsonl``: one note each of a corpus's most frequent kinds of encounter.

    Written by ``coder-assist corpus samples``; a test holds that the file is what this gives.
    """
    kinds: dict[tuple[str, str], list[dict[str, object]]] = {}
    for record in map(_sample, lines):
        kinds.setdefault((str(record.get("setting")), str(record.get("specialty"))), []).append(record)
    for kind in sorted(kinds, key=lambda kind: (-len(kinds[kind]), kind))[:wanted]:
        yield json.dumps(kinds[kind][0], ensure_ascii=False)

"""Compile code books and lexicon once into a store that opens in milliseconds.

A store is a directory ``<edition>-<fingerprint>`` below the cache directory: ``codes.sqlite`` (nodes
and notes) and the lexicon's arrays. The fingerprint covers the sources and the code that reads them, so
a changed file or a new release compiles anew. It is written aside and renamed into place: two processes
may compile at once, one of them wins, both get a whole store.

A row of a packaged lexicon file whose code an edition lacks (an older or newer year) is left out of
that edition's store; the same row in a user's file is an error.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from coder_assist.codes.cdc_index import read_index
from coder_assist.codes.editions import Edition
from coder_assist.codes.instructions import parse_ranges
from coder_assist.codes.listings import Listing
from coder_assist.codes.sources import (
    Procedure,
    data_file,
    read_abbreviations,
    read_drugs,
    read_procedures,
    read_synonyms,
)
from coder_assist.codes.tabular import Node, apply_order_file, read_tabular
from coder_assist.codes.terms import content_stems, key, key_of
from coder_assist.errors import CodeBookError, LexiconError
from coder_assist.types import System

FORMAT = 7
LONGEST_TERM = 14
LONGEST_TITLE = 255
SOURCES = ("title", "inclusion", "synonym", "index", "catalogue")
TERM = np.dtype([("key", "<u8"), ("code", "<u4"), ("source", "u1"), ("length", "u1"), ("text", "<u4")])

# Modules that no store depends on.
_READERS = ("__init__.py", "book.py", "lexicon.py", "pcs.py", "consistency.py")
_CATALOGUES = ("cpt.tsv", "hcpcs.tsv")
_LEXICON_FILES = ("synonyms.tsv", "abbreviations.tsv", "drugs.tsv", *_CATALOGUES)


def lexicon_files(extra: Path | None) -> list[Path]:
    """Return the lexicon's data files: the packaged ones, then those of the user's directory."""
    files = [data_file(name) for name in _LEXICON_FILES]
    if extra is not None:
        if not extra.is_dir():
            raise LexiconError(str(extra), 0, "expected a directory with synonyms.tsv or abbreviations.tsv")
        files += [path for name in _LEXICON_FILES if (path := extra / name).is_file()]
        files += [path for path in sorted(extra.iterdir()) if _is_index(path)]
    return files


def _is_index(path: Path) -> bool:
    """Say whether a file of a lexicon directory is one of CDC's Index files, by its name."""
    return path.name.endswith((".xml", ".xml.gz")) and path.is_file()


@cache
def _code_digest() -> bytes:
    """Digest the modules that decide what is written into a store; those that only read it are left out."""
    digest = sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in _READERS:
            digest.update(path.name.encode() + path.read_bytes())
    return digest.digest()


def fingerprint(edition: Edition, lexicon: list[Path], listings: Sequence[Listing] = ()) -> str:
    """Return 16 hexadecimal digits that change when a source, or the code that compiles it, changes.

    The large official files count by name and size, the lexicon's by content. A listing counts where
    a file of the lexicon has terms for its system: only then is it read.
    """
    digest = sha256(f"{FORMAT}|{edition}".encode() + _code_digest())
    for path in (edition.tabular, edition.order, *edition.index):
        if path is not None:
            digest.update(f"{path.name}|{path.stat().st_size}".encode())
    for path in lexicon:
        content = path.read_bytes()
        digest.update(path.name.encode() + content)
        for listing in listings:
            if f"\t{listing.system}\t".encode() in content:
                digest.update(listing.fingerprint.encode())
    return digest.hexdigest()[:16]


def store_for(
    edition: Edition, cache_dir: Path, lexicon_dir: Path | None = None, listings: Sequence[Listing] = ()
) -> Path:
    """Return the store of an edition and the lexicon, compiling it if it does not stand yet.

    Of ``listings`` only the codes are read, to check terms of the lexicon against them. Raises
    ``CodeBookError`` or ``LexiconError`` if a source cannot be read.
    """
    files = lexicon_files(lexicon_dir)
    target = cache_dir / f"{edition.name}-{fingerprint(edition, files, listings)}"
    return _stand(target, lambda aside: _compile(edition, files, aside, listings))


def store_of_listing(listing: Listing, cache_dir: Path) -> Path:
    """Return the store of a listed code set, compiling it if it does not stand yet.

    It has its own index of titles, in the lexicon's form: nothing of it goes into the terms that
    mentions are matched with. Raises ``CodeBookError`` if the file cannot be read.
    """
    name = sha256(f"{FORMAT}|{listing.fingerprint}".encode() + _code_digest()).hexdigest()[:16]

    def write(aside: Path) -> None:
        nodes = [Node(row.code, "code", row.title, row.parent, row.billable) for row in listing.rows()]
        terms = _Terms(LONGEST_TITLE)
        for node in nodes:
            if node.billable:
                terms.add(node.title, listing.system, node.name, "title")
        for row in listing.rows():
            for term in row.terms:
                terms.add(term, listing.system, row.code, "catalogue")
        _write_book(aside / "codes.sqlite", {listing.system: nodes})
        terms.save(aside)
        _write_facts(aside, terms, [], {}, {})
        meta = {"format": FORMAT, "edition": listing.edition, "lexicon": listing.fingerprint[:12]}
        (aside / "meta.json").write_text(json.dumps(meta), encoding="utf-8")

    return _stand(cache_dir / f"{listing.system}-{name}", write)


def _stand(target: Path, write: Callable[[Path], None]) -> Path:
    """Return a store, written aside and renamed into its place if it does not stand yet."""
    cache_dir = target.parent
    if target.is_dir():
        return target
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache_dir)
        aside = cache_dir / f".compiling-{uuid4().hex}"
        aside.mkdir(mode=0o755)
    except OSError as error:
        raise CodeBookError(
            f"cache_dir: expected a directory that can be written; {error.strerror}. "
            "Set CODER_ASSIST_CACHE_DIR to another one"
        ) from None
    try:
        write(aside)
        try:
            aside.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first: its store is as good as ours
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _remove_abandoned(cache_dir: Path) -> None:
    """Remove what compilations that were killed left behind: half stores untouched for an hour."""
    for path in cache_dir.glob(".compiling-*"):
        with suppress(OSError):  # another process may be removing it
            if time.time() - path.stat().st_mtime > 3600:
                shutil.rmtree(path, ignore_errors=True)


def _compile(edition: Edition, files: list[Path], store: Path, listings: Sequence[Listing] = ()) -> None:
    nodes = read_tabular(edition.tabular)
    if edition.order is not None:
        apply_order_file(nodes, edition.order)
    # Packaged files come first: a user's row for the same code replaces ours.
    procedures = {
        row.code: row for path in files if path.name in _CATALOGUES for row in read_procedures(path)
    }
    catalogue = [
        Node(row.code, "code", row.label, None) for row in procedures.values() if row.system is System.CPT
    ]
    books = {System.ICD10CM: nodes, System.CPT: catalogue}
    _write_book(store / "codes.sqlite", books)
    _write_lexicon(store, edition, files, books, procedures, listings)
    meta = {"format": FORMAT, "edition": edition.name, "lexicon": _digest([*files, *edition.index])}
    (store / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _digest(files: list[Path]) -> str:
    digest = sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _write_book(path: Path, books: dict[System, list[Node]]) -> None:
    database = sqlite3.connect(path)
    database.executescript(
        """
        pragma journal_mode = off; pragma synchronous = off;
        create table nodes (id integer primary key, system text not null, name text not null, level text not null,
            title text not null, parent text, billable integer not null, terms text not null, seventh text not null);
        create table notes (id integer primary key, system text not null, node text not null, kind text not null,
            text text not null, ranges text not null);
        """
    )
    for system, nodes in books.items():
        database.executemany(
            "insert into nodes (system, name, level, title, parent, billable, terms, seventh) values (?,?,?,?,?,?,?,?)",
            (
                (system, n.name, n.level, n.title, n.parent, n.billable,
                 json.dumps(n.inclusion_terms) if n.inclusion_terms else "", n.seventh)
                for n in nodes
            ),
        )  # fmt: skip
        database.executemany(
            "insert into notes (system, node, kind, text, ranges) values (?,?,?,?,?)",
            (
                (system, n.name, kind, text, json.dumps([(r.first, r.last) for r in parse_ranges(text)]))
                for n in nodes
                for kind, text in n.notes
            ),
        )
    database.executescript(
        "create unique index nodes_name on nodes (system, name); create index nodes_parent on nodes (system, parent);"
        "create index notes_node on notes (system, node);"
    )
    database.commit()
    database.close()


_PARENTHESES = re.compile(r"\s*\([^()]*\)")
_BRACKETS = re.compile(r"\s*\[([^\[\]]*)\]")
_EMPTY_WORDS = re.compile(r",? (?:not elsewhere classified|not otherwise specified|nec|nos)\b", re.IGNORECASE)


_SIDES = frozenset({"left", "right"})


def variants(title: str) -> list[str]:
    """Return the ways a title may stand in a note: modifiers in parentheses dropped, brackets as synonyms.

    >>> variants("Essential (primary) hypertension")
    ['essential primary hypertension', 'essential hypertension']
    >>> variants("Human immunodeficiency virus [HIV] disease")
    ['human immunodeficiency virus disease', 'hiv disease']
    """
    title = _EMPTY_WORDS.sub("", title.lower())
    forms = []
    bracket = _BRACKETS.search(title)
    if bracket:
        head, tail = title[: bracket.start()], title[bracket.end() :]
        forms.append(head + tail)
        if tail.strip(" ,"):
            # "ascending [right] colon": the side stands for a word of the head, not for the whole of it.
            before = head.rpartition(" ")[0] + " " if bracket[1].strip() in _SIDES else ""
            forms.append(before + bracket[1] + tail)
        if " " in bracket[1] and not tail.startswith(","):
            forms.append(bracket[1])
    else:
        forms.append(title)
    result: list[str] = []
    for form in forms:
        for spoken in (form.replace("(", "").replace(")", ""), _PARENTHESES.sub("", form)):
            spoken = " ".join(spoken.split())
            if spoken and spoken not in result:
                result.append(spoken)
    return result


# Words that operative notes use for one another. A term of the catalogue stands for all of its rewordings.
_SAME_ACT: tuple[tuple[str, ...], ...] = (
    ("insertion", "placement", "implantation"),
    ("excision", "removal", "resection"),
    ("fusion", "arthrodesis"),
    ("spinal", "spine"),
    ("angiogram", "angiography", "arteriogram", "arteriography"),
    ("dilation", "dilatation"),
    ("open reduction internal fixation", "orif"),
    ("incision and drainage", "i&d"),
    ("cautery", "cauterization"),
    ("drainage", "evacuation"),
    ("radiofrequency ablation", "radiofrequency thermocoagulation", "rftc", "rhizotomy"),
    ("evaluation", "examination"),
    ("transplant", "transplantation"),
    ("exchange", "replacement"),
    ("steroid injection", "steroid block"),
)
_PICTURE = re.compile(r"([a-z]{3,})(?:graphy|gram)\b")
MOST_REWORDINGS = 24


def rewordings(term: str) -> list[str]:
    """Return the other ways in which operative notes write a procedure's term.

    >>> rewordings("port placement")
    ['port insertion', 'port implantation']
    >>> rewordings("left ventriculography")
    ['left ventriculogram']
    """
    found = [term]
    for group in _SAME_ACT:
        for form in list(found):
            for words in group:
                if re.search(rf"\b{re.escape(words)}\b", form):
                    found += [
                        re.sub(rf"\b{re.escape(words)}\b", other, form) for other in group if other != words
                    ]
                    break
    for form in list(found):
        match = _PICTURE.search(form)
        if match is not None and not form[match.start() :].startswith(("program", "angio", "arterio")):
            ending = "gram" if match[0].endswith("graphy") else "graphy"
            found.append(form[: match.start()] + match[1] + ending + form[match.end() :])
    return list(dict.fromkeys(found))[1:MOST_REWORDINGS]


def written_codes(code: str) -> tuple[str, ...]:
    """Return how a note that codes its procedures itself writes a code: "(CPT 47563)", "CPT code 21470".

    A number alone is none: it may be a count, a record or a place.
    """
    return f"cpt {code}", f"cpt code {code}", f"procedure code {code}"


def _book_terms(nodes: Iterable[Node]) -> Iterator[tuple[str, str, str]]:
    """Yield ``(term, code, source)`` for the titles, inclusion terms and includes notes of codes.

    Codes with a 7th character are left out: their words are those of the code they complete.
    """
    for node in nodes:
        if node.level != "code" or node.seventh:
            continue
        sources = [("title", node.title), *(("inclusion", term) for term in node.inclusion_terms)]
        sources += [("inclusion", text) for kind, text in node.notes if kind == "includes"]
        for source, phrase in sources:
            if source == "inclusion" and phrase.startswith("any condition classifiable"):
                continue
            for form in variants(phrase):
                yield form, node.name, source


class _Terms:
    """The terms that go into an index: each key of a code once, at most ``longest`` content words."""

    def __init__(self, longest: int) -> None:
        self.codes: dict[tuple[System, str], int] = {}
        self._longest = longest
        self._texts: list[str] = []
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._postings: dict[str, list[int]] = {}
        self._seen: set[tuple[int, int]] = set()

    def add(self, term: str, system: System, code: str, source: str) -> None:
        stems = content_stems(term)
        if not stems or len(stems) > self._longest:
            return
        number = self.codes.setdefault((system, code), len(self.codes))
        term_key = key_of(stems)
        if (term_key, number) in self._seen:
            return
        self._seen.add((term_key, number))
        for stemmed in set(stems):
            self._postings.setdefault(stemmed, []).append(len(self._rows))
        self._rows.append((term_key, number, SOURCES.index(source), len(stems), len(self._texts)))
        self._texts.append(term)

    def save(self, store: Path) -> None:
        _save_terms(store, self._rows, self._texts, self._postings)


def _write_lexicon(
    store: Path,
    edition: Edition,
    files: list[Path],
    books: dict[System, list[Node]],
    procedures: dict[str, Procedure],
    listings: Sequence[Listing] = (),
) -> None:
    known = {system: {node.name for node in nodes if node.level == "code"} for system, nodes in books.items()}
    packaged = {data_file(name) for name in _LEXICON_FILES}

    def has(path: Path, line: int, system: System, *codes: str) -> bool:
        """Say whether the edition has the codes of a row; raise if it has not and the file is the user's."""
        missing = [code for code in codes if code not in known[system]]
        if missing and path not in packaged and (system not in listed or listed[system].whole):
            raise LexiconError(path.name, line, f"{system} edition {edition.name} has no {missing[0]}")
        return not missing

    listed = {listing.system: listing for listing in listings}
    unread = dict(listed)
    terms = _Terms(LONGEST_TERM)
    add = terms.add

    for path in files:
        if path.name == "synonyms.tsv":
            for line, synonym in enumerate(read_synonyms(path), 2):
                if synonym.system in unread:
                    rows = unread.pop(synonym.system).rows()
                    known.setdefault(synonym.system, set()).update(row.code for row in rows)
                if synonym.system not in known:
                    continue  # terms of a book that is not installed wait for it
                if has(path, line, synonym.system, synonym.code):
                    add(synonym.term, synonym.system, synonym.code, "synonym")
    for procedure in procedures.values():
        if procedure.use == "look-up":
            continue
        for term in (*procedure.terms, procedure.label.lower(), *written_codes(procedure.code)):
            add(term, procedure.system, procedure.code, "catalogue")
    written = {key(term) for procedure in procedures.values() for term in procedure.terms}
    for procedure in procedures.values():
        for term in procedure.terms if procedure.use != "look-up" else ():
            for reworded in rewordings(term):
                if key(reworded) not in written:  # what a row says outright is not said again for another
                    add(reworded, procedure.system, procedure.code, "catalogue")
    for term, code, source in _book_terms(books[System.ICD10CM]):
        add(term, System.ICD10CM, code, source)
    for index in (*edition.index, *filter(_is_index, files)):
        for term, code in read_index(index):
            if code in known[System.ICD10CM]:
                add(term, System.ICD10CM, code, "index")

    senses = []
    for path in files:
        if path.name == "abbreviations.tsv":
            for line, sense in enumerate(read_abbreviations(path), 2):
                if has(path, line, System.ICD10CM, *sense.codes):
                    senses.append(asdict(sense))
    drugs = {}
    for path in files:
        if path.name == "drugs.tsv":
            for line, drug in enumerate(read_drugs(path), 2):
                # Notes name the drug whatever the year: of a packaged row only the missing codes go.
                conditions = [code for code in drug.conditions if has(path, line, System.ICD10CM, code)]
                status = drug.status_code
                if status and not has(path, line, System.ICD10CM, status):
                    status = ""
                drugs[drug.name] = [drug.generic, conditions, status]
    terms.save(store)
    _write_facts(store, terms, senses, drugs, {code: asdict(row) for code, row in procedures.items()})


def _write_facts(
    store: Path,
    terms: _Terms,
    senses: list[dict[str, Any]],
    drugs: dict[str, list[Any]],
    procedures: dict[str, dict[str, Any]],
) -> None:
    facts = {
        "procedures": procedures,
        "codes": [[system, code] for system, code in terms.codes],
        "senses": senses,
        "drugs": drugs,
    }
    (store / "facts.json").write_text(json.dumps(facts), encoding="utf-8")


def _save_terms(
    store: Path, rows: list[tuple[int, int, int, int, int]], texts: list[str], postings: dict[str, list[int]]
) -> None:
    table = np.array(rows, dtype=TERM)
    order = np.lexsort((table["source"], table["key"]))
    rank = np.empty(len(order), dtype=np.uint32)
    rank[order] = np.arange(len(order), dtype=np.uint32)
    table = table[order]
    blobs = [texts[i].encode() for i in table["text"]]
    offsets = np.concatenate(([0], np.cumsum([len(blob) for blob in blobs]))).astype(np.uint32)
    table["text"] = np.arange(len(table), dtype=np.uint32)
    vocabulary = sorted(postings)
    lists = [np.sort(rank[postings[word]]) for word in vocabulary]
    np.save(store / "terms.npy", table)
    np.save(store / "offsets.npy", offsets)
    # What retrieval compares with: the sorted stems of each term, so that none is cut at run time.
    stems = [" ".join(sorted(content_stems(blob.decode()))).encode() for blob in blobs]
    (store / "stems.bin").write_bytes(b"".join(stems))
    ends = np.concatenate(([0], np.cumsum([len(part) for part in stems]))).astype(np.uint32)
    np.save(store / "stem-offsets.npy", ends)
    (store / "texts.bin").write_bytes(b"".join(blobs))
    (store / "vocabulary.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    np.save(store / "postings.npy", np.concatenate(lists).astype(np.uint32))
    starts = np.concatenate(([0], np.cumsum([len(part) for part in lists]))).astype(np.uint32)
    np.save(store / "starts.npy", starts)

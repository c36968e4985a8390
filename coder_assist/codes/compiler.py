"""Compile code books and lexicon once into a store that opens in milliseconds.

A store is a directory ``<edition>-<fingerprint>`` below the cache directory: ``codes.sqlite`` (nodes
and notes) and the lexicon's arrays. The fingerprint covers the sources and this format, so a changed
file or a new release compiles anew. It is written aside and renamed into place: two processes may
compile at once, one of them wins, both get a whole store.
"""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np

from coder_assist.codes.cdc_index import read_index
from coder_assist.codes.editions import Edition
from coder_assist.codes.instructions import parse_ranges
from coder_assist.codes.sources import (
    data_file,
    read_abbreviations,
    read_drugs,
    read_procedures,
    read_synonyms,
)
from coder_assist.codes.tabular import Node, apply_order_file, read_tabular
from coder_assist.codes.terms import content_stems, key_of
from coder_assist.errors import CodeBookError, LexiconError
from coder_assist.types import System

FORMAT = 4
SOURCES = ("title", "inclusion", "synonym", "index", "catalogue")
TERM = np.dtype([("key", "<u8"), ("code", "<u4"), ("source", "u1"), ("length", "u1"), ("text", "<u4")])

_LEXICON_FILES = ("synonyms.tsv", "abbreviations.tsv", "drugs.tsv", "cpt.tsv")


def lexicon_files(extra: Path | None) -> list[Path]:
    """Return the lexicon's data files: the packaged ones, then those of the user's directory."""
    files = [data_file(name) for name in _LEXICON_FILES]
    if extra is not None:
        if not extra.is_dir():
            raise LexiconError(str(extra), 0, "expected a directory with synonyms.tsv or abbreviations.tsv")
        files += [path for name in _LEXICON_FILES if (path := extra / name).is_file()]
    return files


def fingerprint(edition: Edition, lexicon: list[Path]) -> str:
    """Return 16 hexadecimal digits that change when a source or the store's format changes.

    The large official files count by name and size, the lexicon's by content.
    """
    digest = sha256(f"{FORMAT}|{edition}".encode())
    for path in (edition.tabular, edition.order, *edition.index):
        if path is not None:
            digest.update(f"{path.name}|{path.stat().st_size}".encode())
    for path in lexicon:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def store_for(edition: Edition, cache_dir: Path, lexicon_dir: Path | None = None) -> Path:
    """Return the store of an edition and the lexicon, compiling it if it does not stand yet.

    Raises ``CodeBookError`` or ``LexiconError`` if a source cannot be read.
    """
    files = lexicon_files(lexicon_dir)
    target = cache_dir / f"{edition.name}-{fingerprint(edition, files)}"
    if target.is_dir():
        return target
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".compiling-", dir=cache_dir))
    except OSError as error:
        raise CodeBookError(
            f"cache_dir: expected a directory that can be written; {error.strerror}. "
            "Set CODER_ASSIST_CACHE_DIR to another one"
        ) from None
    try:
        _compile(edition, files, aside)
        try:
            aside.rename(target)
        except OSError:
            if not target.is_dir():  # another process was first: its store is as good as ours
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def _compile(edition: Edition, files: list[Path], store: Path) -> None:
    nodes = read_tabular(edition.tabular)
    if edition.order is not None:
        apply_order_file(nodes, edition.order)
    procedures = [row for path in files if path.name == "cpt.tsv" for row in read_procedures(path)]
    catalogue = [Node(row.code, "code", row.label, None) for row in procedures]
    books = {System.ICD10CM: nodes, System.CPT: catalogue}
    _write_book(store / "codes.sqlite", books)
    _write_lexicon(store, edition, files, books)
    meta = {"edition": edition.name, "lexicon": _digest(files)}
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
            forms.append(bracket[1] + tail)
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


def _write_lexicon(store: Path, edition: Edition, files: list[Path], books: dict[System, list[Node]]) -> None:
    known = {system: {node.name for node in nodes if node.level == "code"} for system, nodes in books.items()}
    code_index: dict[tuple[System, str], int] = {}
    texts: list[str] = []
    rows: list[tuple[int, int, int, int, int]] = []
    postings: dict[str, list[int]] = {}
    seen: set[tuple[int, int]] = set()

    def add(term: str, system: System, code: str, source: str) -> None:
        stems = content_stems(term)
        if not stems or len(stems) > 14:
            return
        number = code_index.setdefault((system, code), len(code_index))
        term_key = key_of(stems)
        if (term_key, number) in seen:
            return
        seen.add((term_key, number))
        for stemmed in set(stems):
            postings.setdefault(stemmed, []).append(len(rows))
        rows.append((term_key, number, SOURCES.index(source), len(stems), len(texts)))
        texts.append(term)

    for path in files:
        if path.name == "synonyms.tsv":
            for line, synonym in enumerate(read_synonyms(path), 2):
                if synonym.code not in known.get(synonym.system, ()):
                    raise LexiconError(
                        path.name, line, f"{synonym.system} edition {edition.name} has no {synonym.code}"
                    )
                add(synonym.term, synonym.system, synonym.code, "synonym")
        elif path.name == "cpt.tsv":
            for procedure in read_procedures(path):
                for term in (*procedure.terms, procedure.label.lower()):
                    add(term, System.CPT, procedure.code, "catalogue")
    for term, code, source in _book_terms(books[System.ICD10CM]):
        add(term, System.ICD10CM, code, source)
    for index in edition.index:
        for term, code in read_index(index):
            if code in known[System.ICD10CM]:
                add(term, System.ICD10CM, code, "index")

    senses = []
    for path in files:
        if path.name == "abbreviations.tsv":
            for line, sense in enumerate(read_abbreviations(path), 2):
                unknown = [code for code in sense.codes if code not in known[System.ICD10CM]]
                if unknown:
                    raise LexiconError(path.name, line, f"edition {edition.name} has no code {unknown[0]}")
                senses.append(asdict(sense))
    drugs = {
        drug.name: [drug.generic, list(drug.conditions), drug.status_code]
        for path in files
        if path.name == "drugs.tsv"
        for drug in read_drugs(path)
    }
    _save_terms(store, rows, texts, postings)
    procedures = {
        row.code: asdict(row) for path in files if path.name == "cpt.tsv" for row in read_procedures(path)
    }
    facts = {
        "procedures": procedures,
        "codes": [[system, code] for system, code in code_index],
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
    (store / "texts.bin").write_bytes(b"".join(blobs))
    (store / "vocabulary.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    np.save(store / "postings.npy", np.concatenate(lists).astype(np.uint32))
    starts = np.concatenate(([0], np.cumsum([len(part) for part in lists]))).astype(np.uint32)
    np.save(store / "starts.npy", starts)

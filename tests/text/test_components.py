"""The components are spaCy citizens: found by entry point, portable in bytes, at home in processes."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import unicodedata
import warnings
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc

from coder_assist.errors import NoteError
from coder_assist.text import NoteReader, build_pipeline
from coder_assist.text.components import mentions_of, sections_of
from coder_assist.types import Note

NOTE = "HPI: Cough, no fever.\nPMH: Gout.\nASSESSMENT:\n1. Asthma.\n2. Pain in the left hip and knee.\n"
FACTORIES = ["sections", "sentences", "mentions", "assertion", "attributes"]


@pytest.fixture(scope="module")
def nlp(store):
    return build_pipeline(store)


def test_factories_come_by_entry_point(store):
    """A blank pipeline finds the factories without an import of coder_assist."""
    script = f"""
        import spacy
        nlp = spacy.blank("en")
        for name in {FACTORIES}:
            config = {{"store": {str(store)!r}}} if name == "mentions" else {{}}
            nlp.add_pipe(f"coder_assist_{{name}}", config=config)
        doc = nlp("Asthma. No fever.")
        print([(span.text, span.label_) for span in doc.spans["mentions"]])
    """
    run = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[('Asthma', 'diagnosis'), ('fever', 'symptom')]"


def test_spans_stand_in_the_doc(nlp):
    """Sections, sentences and mentions are span groups; nothing is written to ``doc.ents``."""
    doc = nlp(NOTE)
    assert [span.label_ for span in doc.spans["sections"]] == [
        "history of present illness", "past medical history", "assessment",
    ]  # fmt: skip
    assert "Asthma" in [span.text for span in doc.spans["mentions"]]
    assert len(doc.spans["sentences"]) == 4
    assert doc.ents == ()


def test_facts_are_json(nlp):
    """What is left on a doc is plain JSON."""
    facts = nlp(NOTE)._.coder_assist
    assert json.loads(json.dumps(facts)) == facts


def test_pipeline_reads_as_the_reader_does(nlp, reader):
    """The components, one after another, leave on a doc what ``NoteReader`` returns without spaCy."""
    cases = Path(__file__).parents[2] / "corpora" / "encounters.jsonl"
    texts = [json.loads(line)["text"] for line in cases.read_bytes().splitlines()[:40]]
    for text in (NOTE, *texts):
        doc, document = nlp(text), reader.read(Note("n", text))
        assert tuple(sections_of(doc)) == document.sections
        assert tuple(mention.as_mention() for mention in mentions_of(doc)) == document.mentions
        assert [(s.start, s.end) for s in document.sentences] == [
            tuple(span) for span in doc._.coder_assist["sentences"]
        ]


def test_reading_needs_no_spacy():
    """Coding a note does not import spaCy: only who asks for a pipeline pays for it."""
    script = "import sys, coder_assist.suggest, coder_assist.text; print('spacy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_doc_survives_bytes(nlp):
    """A doc that went through bytes says the same."""
    doc = nlp(NOTE)
    back = Doc(nlp.vocab).from_bytes(doc.to_bytes())
    assert back._.coder_assist == doc._.coder_assist
    for group in ("sections", "sentences", "mentions"):
        assert [(s.start, s.end, s.label_) for s in back.spans[group]] == [
            (s.start, s.end, s.label_) for s in doc.spans[group]
        ]


def test_two_processes_read_as_one(nlp):
    """``nlp.pipe(n_process=2)`` gives what one process gives, in order."""
    texts = [NOTE, "Gout.", "No fever.", "ASSESSMENT: Asthma."]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # CPython 3.12 on fork beside threads
        both = [doc._.coder_assist for doc in nlp.pipe(texts, n_process=2)]
    assert both == [nlp(text)._.coder_assist for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "😀 cough 👩‍⚕️ and Sjögren’s syndrome 🤒 with gout",
        unicodedata.normalize("NFD", "Ménière disease, né à l'hôpital, has gout"),
        "e\u0301\u0323 cough\u200b gout\u00a0asthma",
        "\ufeffCough\r\n\r\nGout\tAsthma",
    ],
)
def test_offsets_slice_back(text, reader):
    """Whatever stands around them, the spans of a mention cut its words from the original text."""
    document = reader.read(Note("n", text))
    assert "gout" in [mention.text.lower() for mention in document.mentions]
    for mention in document.mentions:
        assert " ... ".join(span.slice(text) for span in mention.spans) == mention.text
    for sentence in document.sentences:
        assert sentence.slice(text).strip() == sentence.slice(text)


def test_mentions_know_their_section(reader):
    """A mention carries the kind of the section it stands in."""
    mentions = reader.read(Note("n", NOTE)).mentions
    where = {mention.text: mention.section.value for mention in mentions}
    assert where["Gout"] == "past medical history"
    assert where["Asthma"] == "assessment"


def test_shared_words_make_several_spans(reader):
    """A mention whose words stand apart has more than one span, joined by dots in its text."""
    document = reader.read(Note("n", "Pain in the left hip, thigh, calf and also in the knee."))
    for mention in document.mentions:
        assert (len(mention.spans) > 1) is (" ... " in mention.text)


def test_reading_is_deterministic(store, reader):
    """Two readers say the same, whatever was read before."""
    other = NoteReader(store)
    other.read(Note("x", "Something else entirely, with fever."))
    assert other.read(Note("n", NOTE)) == reader.read(Note("n", NOTE))


def test_pipe_keeps_the_order(reader):
    """``pipe`` yields one document a note, in order."""
    notes = [Note(str(number), text) for number, text in enumerate(["Gout.", NOTE, "Asthma."])]
    assert list(reader.pipe(notes)) == [reader.read(note) for note in notes]


@pytest.mark.parametrize("text", ["", "  \n", "x" * 11])
def test_unreadable_note_is_named_not_quoted(text, store):
    """An empty or too long note raises, with its id and none of its text."""
    with pytest.raises(NoteError, match="note 'n7'") as caught:
        NoteReader(store, longest=10).read(Note("n7", text))
    assert "xxx" not in str(caught.value)


def test_blank_pipeline_needs_no_model():
    """The base is spaCy's blank English: nothing is downloaded."""
    assert spacy.blank("en").pipe_names == []

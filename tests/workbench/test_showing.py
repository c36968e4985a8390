"""What is shown: every character of the note once, escaped, with what was read of it."""

from __future__ import annotations

import re
from html import unescape

import pytest

from coder_assist.errors import InputError
from coder_assist.suggest import Coder
from coder_assist.workbench import read, show_document, suggest
from tests.workbench.conftest import NOTE

HOSTILE = 'ASSESSMENT:\nEssential hypertension <script>alert(1)</script> & "gout" \U0001f9b6. No asthma.\n'


def plain(html: str) -> str:
    """Return the text of the first box without what was written into it."""
    box = html[html.index(">") + 1 : html.index("</div>")]
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<span[^>]*>[^<]*</span>", "", box)))


@pytest.mark.parametrize("text", [NOTE, HOSTILE, NOTE + HOSTILE])
def test_a_document_is_shown_whole_and_escaped(coder: Coder, text: str) -> None:
    html = show_document(read(text, coder))._repr_html_()
    assert plain(html) == text
    assert "<script" not in html


def test_mentions_carry_what_the_note_says_of_them(coder: Coder) -> None:
    view = show_document(read(NOTE, coder))
    html = view._repr_html_()
    assert re.search(r">asthma<span[^>]*>diagnosis: negated<", html)
    assert re.search(r">gout<span[^>]*>diagnosis: [^<]*family<", html)
    assert ">assessment</span>" in html
    said = view.table.set_index("text")
    assert said.loc["asthma", "polarity"] == "negated"
    assert said.loc["gout", "experiencer"] == "family"


def test_suggestions_are_shown_with_their_evidence(coder: Coder) -> None:
    view = suggest(HOSTILE, coder, sex="female", age=61)
    assert "I10" in set(view.table.code)
    assert "<script" not in view._repr_html_()
    assert re.search(r"<mark[^>]*>Essential hypertension<span[^>]*>I10", view._repr_html_())
    assert "I10" in repr(view)
    assert view.encounter.age == 61


def test_what_is_no_context_is_refused(coder: Coder) -> None:
    with pytest.raises(InputError, match="age must be a number"):
        suggest(NOTE, coder, age=-1)

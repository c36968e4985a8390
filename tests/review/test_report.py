"""The report stands alone, links every number to its encounters, and says no word of a note."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from benchmarks.simulate import START, Plan, Year, facts_of, note_of, play, simulate
from coder_assist.cli import app
from coder_assist.codes import Library
from coder_assist.errors import DataError, NotFound, StateConflict
from coder_assist.measure import clustered_share, reliability
from coder_assist.review.accuracy import Ledger
from coder_assist.review.database import Database
from coder_assist.review.drift import EditionEffect, compare, halves
from coder_assist.review.facts import Facts
from coder_assist.review.measures import MEASURES
from coder_assist.review.plots import reliability_plot, whiskers
from coder_assist.review.queue import work_once
from coder_assist.review.replay import Missing, first_difference, replay
from coder_assist.review.report import make_report
from coder_assist.review.store import Store
from coder_assist.review.tables import RunRow
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from tests.review.building import ANA, add_people, bring


class Links(HTMLParser):
    """Collects ids, links and what a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name == "href":
                self.links.append(value or "")
            if name in ("src", "srcset", "data") or tag in ("script", "link", "iframe"):
                self.fetched.append(f"{tag} {name}={value}")


@pytest.fixture(scope="module")
def year() -> Year:
    return simulate(Plan(encounters=300, audited=80, second=40, wave=8.0), seed=2)


def page_of(year: Year) -> str:
    facts = facts_of(year)
    effects = {"2099": [EditionEffect("I10", "not in 2099", ("I11.9",), ("s00001",), ())]}
    return make_report(facts, compare(*halves(facts), words=year.words), "Halves", effects)


def test_page_stands_alone_and_repeats_itself(year: Year) -> None:
    """Nothing is fetched, nothing runs, and the same facts give the same bytes."""
    page = page_of(year)
    found = Links()
    found.feed(page)
    assert found.fetched == [] and "http" not in page and "@import" not in page and "url(" not in page
    assert page == page_of(simulate(year.plan, year.seed))
    assert page.count('<svg role="img"') > 5 and "95 % line" in page and "Stausberg" in page


def test_every_number_leads_to_its_encounters(year: Year) -> None:
    """Each link leads to a list that is there once; the code accuracy's list is that of the audited ones."""
    page = page_of(year)
    found = Links()
    found.feed(page)
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} == {*found.ids, "-"}
    number = Ledger.of(facts_of(year)).number(next(m for m in MEASURES if m.name == "code_accuracy"))
    assert number.share.value is not None
    pattern = rf'code_accuracy</code></small></td><td><strong><a class="behind" href="#(\w+)">{number.share.value:.1%}</a>'
    linked = re.search(pattern, page)
    assert linked is not None
    listed = re.search(rf'<p id="{linked[1]}">.*?</small> (.*?)</p>', page)
    assert listed is not None and listed[1].split(", ") == sorted(number.encounters)
    for measure in MEASURES:
        assert measure.name in page


def test_every_figure_in_a_table_is_a_link(year: Year) -> None:
    """Each number in a cell leads somewhere, but zeros, probabilities of tests and the published figures."""
    page = re.sub(r"<svg.*?</svg>|<pre>.*?</pre>", "", page_of(year), flags=re.DOTALL)
    cells = [
        (head, cell)
        for table in re.findall(r"<table>.*?</table>", page, re.DOTALL)
        if "people, as published" not in table
        for heads in [re.findall(r"<th(?: [^>]*)?>(.*?)</th>", table)]
        for row in re.findall(r"<tr><td.*?</tr>", table)
        for head, cell in zip(heads, re.findall(r"<td[^>]*>(.*?)</td>", row), strict=True)
    ]
    plain = {
        head for head, cell in cells if cell != "0" and re.fullmatch(r"[\d.,% of–to]*\d[\d.,% of–to]*", cell)
    }
    assert len(cells) > 500
    assert plain <= {"p, corrected"}, plain


def test_page_tells_no_word_of_a_note(year: Year) -> None:
    """Of the words of the notes none is on the page, only ids, codes and counts; ids are escaped."""
    page = page_of(year)
    words = set().union(*year.words.values())
    assert len(words) > 300
    assert not words & set(re.findall(r"\w+", page))
    assert not any(note_of(case)[:40] in page for case in year.cases)
    facts = facts_of(year)
    place = next(place for place, e in enumerate(facts.encounters) if e.codes and e.audit)
    known = facts.encounters[place]
    odd = replace(known, encounter="<b>&", coder="<script>")
    codes = tuple(replace(c, encounter="<b>&") if c.encounter == known.encounter else c for c in facts.codes)
    encounters = (*facts.encounters[:place], odd, *facts.encounters[place + 1 :])
    facts = replace(facts, encounters=encounters, codes=codes)
    page = make_report(facts, compare(*halves(facts)), "Halves")
    assert "<script>" not in page and "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page and "&lt;script&gt;" in page


def test_report_of_nothing() -> None:
    """A period without submissions has a report that says so."""
    nothing = Facts(START, START, (), (), (), ())
    page = make_report(nothing, compare(nothing, nothing), "Nothing")
    assert "No audit finished in this period" in page and "nothing to count" in page
    assert whiskers("t", []) == "" == reliability_plot("t", [])


def test_plots() -> None:
    """A plot has a dot for each share or bin, inside of its frame, and a name for those who cannot see it."""
    rows = [
        ("a", clustered_share([(1, 2), (3, 3)])),
        ("b & c", clustered_share([(0, 3)])),
        ("none", clustered_share([])),
    ]
    drawn = whiskers("Shares", rows, 0.95)
    assert drawn.count("<circle") == 2 and "b &amp; c" in drawn and "<title>Shares</title>" in drawn
    bins = reliability([(p / 100, float(p > 50)) for p in range(100)])
    drawn = reliability_plot("Reliability", bins)
    assert drawn.count("<circle") == 10
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', drawn)]
    assert places == sorted(places) and places[0] >= 42 and places[-1] <= 342


# --- replay -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settings(cache_dir: Path) -> Settings:
    return Settings(cache_dir=cache_dir)


@pytest.fixture(scope="module")
def coder(settings: Settings) -> Coder:
    return Coder.load(settings=settings)


@pytest.fixture
def run_id(store: Store, coder: Coder) -> int:
    """A run of the default pack on a small note, as a worker makes it."""
    bring(store, read=False, service_date="2026-05-01")
    wanted = store.queue.want("e1", coder.pack.version)
    assert work_once(store.queue, "tester", coder.pack.version, coder.suggest)
    return wanted.id


def test_run_is_produced_again(store: Store, run_id: int, settings: Settings) -> None:
    """From the same versions come the same bytes, also after the note has got a new version."""
    store.add_note_version(ANA, "e1", "e1", "Another text altogether.")
    result = replay(store.database, run_id, settings)
    assert result.identical, result


def change_run(store: Store, run_id: int, **values: object) -> None:
    with store.database.write() as session:
        session.execute(update(RunRow).where(RunRow.id == run_id).values(**values))


def test_missing_versions_are_named(store: Store, run_id: int, settings: Settings, coder: Coder) -> None:
    """Each version that is not here is named with what is here instead."""
    books = coder.library.versions() | {"ICD-10-CM": "2019"}
    change_run(
        store, run_id, pack="old@0123456789ab", code_books=books, lexicon="lexicon-0", software="0.0.1"
    )
    missing = {one.what: one for one in replay(store.database, run_id, settings).missing}
    assert set(missing) == {"pack", "ICD-10-CM code book", "lexicon", "software"}
    assert coder.pack.version in missing["pack"].installed
    assert missing["ICD-10-CM code book"] == Missing("ICD-10-CM code book", "2019", coder.library.icd.edition)
    change_run(store, run_id, note_versions={"e1": 7})
    assert "note e1" in {one.what for one in replay(store.database, run_id, settings).missing}


def test_changed_records_are_not_trusted(store: Store, run_id: int, settings: Settings) -> None:
    """A record that does not fit its hash is refused; runs that are not done or not there too."""
    change_run(store, run_id, record=b"{}")
    with pytest.raises(DataError, match="changed after it was stored"):
        replay(store.database, run_id, settings)
    with pytest.raises(NotFound):
        replay(store.database, 99, settings)
    other = store.queue.want("e1", "another-pack")
    with pytest.raises(StateConflict, match="queued"):
        replay(store.database, other.id, settings)


def test_first_difference() -> None:
    """Where records part is told, not what stands there."""
    assert first_difference({"a": 1}, {"a": 1}) is None
    assert first_difference({"a": [1, 2]}, {"a": [1]}) == "a[1]"
    assert first_difference({"a": 1}, {"a": 1, "b": 2}) == "b"
    assert first_difference({"a": 1}, {"a": 1.0}) == "a"


# --- the commands -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lived")
    play(simulate(Plan(encounters=40, audited=12, second=12), 5), directory)
    return directory


@pytest.fixture
def run(
    lived: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[int, str]]]:
    monkeypatch.setenv("CODER_ASSIST_DATA_DIR", str(lived))
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))

    def invoke(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["audit", *arguments])
        return result.exit_code, result.output

    yield invoke


def test_report_command(run: Callable[..., tuple[int, str]], tmp_path: Path, library: Library) -> None:
    """The command writes the page and the tables, with the chapters of the code book."""
    page = tmp_path / "page.html"
    period = ("--from", "2026-01-01", "--to", "2027-01-01")
    code, told = run("report", *period, "--out", str(page), "--parquet", str(tmp_path / "facts"))
    assert code == 0 and "40 encounters, 12 of them audited" in told
    written = page.read_text(encoding="utf-8")
    assert library.icd.title("chapter 9") in written and "The first half of the period" in written
    for directory in ("facts", "facts/before", "facts/after"):
        assert len(list((tmp_path / directory).glob("*.parquet"))) == 4
    code, told = run("report", "--from", "2026-02-01", "--to", "2026-01-01")
    assert code == 2 and "must end after it begins" in told
    assert run("report", *period, "--out", str(tmp_path / "no" / "page.html"))[0] == 2


def test_sample_command(run: Callable[..., tuple[int, str]], lived: Path) -> None:
    """The size for a margin is told; the drawn encounters repeat with their seed, and can be made an audit."""
    code, told = run("sample", "--margin", "0.1", "--seed", "4")
    assert code == 0 and "encounters for a margin of ±10.0%" in told
    first = run("sample", "--size", "3", "--kind", "risk", "--seed", "4")
    assert first == run("sample", "--size", "3", "--kind", "risk", "--seed", "4")
    assert first[0] == 0 and len(re.findall(r"^s\d+", first[1], re.MULTILINE)) == 3
    assert run("sample")[0] == 2
    code, told = run("sample", "--size", "2", "--create-as", "ana")
    assert code == 2 and "auditor or lead" in told
    code, told = run("sample", "--size", "2", "--create-as", "aud", "--blinded")
    assert code == 0 and "2 encounters" in told
    database = Database.connect(f"sqlite:///{lived / 'review.sqlite'}")
    assert Store(database).audits.all()[0].sample.blinded
    database.close()


def test_replay_command(
    run: Callable[..., tuple[int, str]], coder: Coder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code says: the same, a version is missing, no such run."""
    code, told = run("replay", "1")
    assert code == 3 and "missing: pack simulated@1" in told
    code, told = run("replay", "999")
    assert code == 2 and "no run 999" in told
    monkeypatch.setenv("CODER_ASSIST_DATA_DIR", str(tmp_path))
    database = Database.open(Settings())
    add_people(database)
    store = Store(database)
    bring(store, read=False)
    store.queue.want("e1", coder.pack.version)
    work_once(store.queue, "tester", coder.pack.version, coder.suggest)
    database.close()
    code, told = run("replay", "1")
    assert code == 0 and "is the same, byte for byte" in told

"""A long note with hundreds of suggestions stays fluid."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

import coder_assist
from tests.browser.driving import Desk

CORPUS = Path(coder_assist.__file__).parent.parent / "corpora" / "encounters.jsonl"
_PAINTED = """
key => new Promise(resolve => {
  const begun = performance.now();
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
  requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => resolve(performance.now() - begun);
    channel.port2.postMessage(null);
  });
})
"""


_OPENED = """
async ({text, count, system}) => {
  const {createDesk} = await import('/desk.js');
  const words = [...text.matchAll(/[A-Za-z]{5,}/g)].slice(0, count * 3);
  const suggestions = Array.from({length: count}, (_, place) => ({
    system, code: 'Z' + String(place).padStart(4, '0'), title: `Suggestion number ${place} of a long encounter`,
    score: 1 - place / count, selected: place < 60, sequence: null, findings: [], reasons: ['said twice', 'in the list'],
    alternatives: ['A00.0', 'A00.1'],
    evidence: words.filter((_, at) => at % count === place).map(found =>
      ({note_id: 'n', start: found.index, end: found.index + found[0].length, text: found[0], section: 'other'})),
  }));
  const made = [];
  const state = {
    encounter: {id: 'e', title: 'Long', state: 'in_review', notes: [{id: 'n', title: '', text, sections: []}]},
    run: {id: 1, state: 'done', suggestions, withheld: []}, decisions: [], codes: [], findings: [], hold: null,
    flags: {}, version: 1,
  };
  const adapter = {
    load: async () => state,
    search: async () => [], phrase: async () => [],
    decide: async (decisions, version) => {
      const answer = decisions.map(d => ({...d, id: made.length + 1, run: 1}));
      made.push(...answer);
      const codes = made.filter(d => d.verdict === 'accept').map(d => ({...d, title: 'x', modifiers: [], units: 1}));
      return {decisions: answer, codes, findings: [], version: version + 1};
    },
  };
  const root = document.createElement('div');
  root.style.height = '700px';
  document.querySelector('main').replaceChildren(root);
  const begun = performance.now();
  window.opened = createDesk(root, adapter);
  await new Promise(resolve => root.addEventListener('desk:ready', resolve));
  for (const details of root.querySelectorAll('.ca-rest')) details.unfold();
  window.made = made;
  return performance.now() - begun;
}
"""


def _long_text() -> str:
    text = ""
    for line in CORPUS.read_bytes().splitlines():
        text += json.loads(line)["text"] + "\n\n"
        if len(text) > 60_000:
            return text[:60_000]
    raise AssertionError("the corpus is shorter than that")


def _decide(page, count):
    """Decide so many times.

    Returns the milliseconds to the paint after each, sorted, and the mean of what a decision costs the page's
    own thread, with all it then paints: that one says the same whatever else the machine does.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _worked(session)
    times = []
    for place in range(count):
        times.append(page.evaluate(_PAINTED, "r" if place % 5 == 4 else "a"))
        page.wait_for_timeout(25)
    return sorted(times), (_worked(session) - before) / count


def _worked(session):
    """The milliseconds that the page's thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration") * 1000


def _told(capsys, what, times, own):
    with capsys.disabled():
        sys.stdout.write(
            f"\n  {what}: decision to paint {times[len(times) // 2]:.0f} ms median,"
            f" {times[int(len(times) * 0.95)]:.0f} ms at the 95th percentile, {own:.0f} ms of its own thread\n"
        )


@pytest.fixture
def quiet(service):
    """The suggestions of the demo are computed: nothing else runs while times are taken."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        runs = service.call("lead", "GET", "/v1/overview")["runs"]
        if not runs.get("queued") and not runs.get("running"):
            return
        time.sleep(0.5)
    raise AssertionError("the demo's suggestions were not computed")


def test_300_suggestions_over_60000_characters(page_of, quiet, capsys):
    """The desk alone, over an adapter in the page: every decision lands, and the time to paint is printed."""
    page = page_of("coder")
    page.goto("/#/practice")
    page.locator(".ca-table").wait_for()
    opened = page.evaluate(_OPENED, {"text": _long_text(), "count": 300, "system": "ICD-10-CM"})
    assert page.locator(".ca-suggested li[data-index]").count() == 300
    times, own = _decide(page, 60)
    page.wait_for_function("() => window.made.length === 60", timeout=60_000)
    assert page.locator(".ca-assigned li").count() == 48
    _told(capsys, f"300 suggestions, 60,000 characters (opened in {opened:.0f} ms)", times, own)


def test_a_long_encounter_of_the_service(service, page_of, quiet, capsys):
    """The same over the real service, with as many suggestions as it gives."""
    text = _long_text()
    id = service.imported(text, setting="inpatient")
    count = len(service.desk(id)["run"]["suggestions"])
    assert count > 50
    desk = Desk(page_of("coder"), id)
    times, own = _decide(desk.page, 30)
    desk.page.wait_for_timeout(1800)
    desk.saved()
    assert len(service.verdicts(id)) == 30
    _told(capsys, f"{count} suggestions of the service, {len(text):,} characters", times, own)

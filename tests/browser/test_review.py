"""Coding an encounter on the page."""

from __future__ import annotations

import sys

import pytest

from tests.browser.driving import Desk

DIABETES = """CHIEF COMPLAINT: Follow-up of diabetes.

HISTORY: 62-year-old woman with type 2 diabetes, hypertension and hyperlipidemia. Takes metformin.

ASSESSMENT AND PLAN:
1. Type 2 diabetes mellitus with diabetic polyneuropathy. Continue metformin.
2. Essential hypertension, on lisinopril.
3. Mixed hyperlipidemia, on atorvastatin.
4. Low back pain after gardening.
"""


@pytest.fixture
def encounter(service):
    """An encounter of its own for each test."""

    def make(text=DIABETES, **more):
        number = service.call("lead", "GET", "/v1/encounters?limit=1&sort=-age")["items"][0]["imported_at"]
        return service.imported(f"{text}\nDictated {number}.", **{"sex": "female", "age": 62, **more})

    return make


def test_signing_in_with_name_and_password(service, page_of):
    """A person with a password signs in and lands on the worklist; a wrong password is said."""
    service.call(
        "admin", "POST", "/v1/users", {"name": "Nora", "role": "coder", "password": "correct horse battery"}
    )
    page = page_of(None)
    page.goto("/")
    page.get_by_label("Name").fill("Nora")
    page.get_by_label("Password").fill("wrong horse battery")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="password").wait_for()
    page.get_by_label("Password").fill("correct horse battery")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Good to see you, Nora").wait_for()
    page.locator(".ca-worklist-items a").first.wait_for()


def test_reviewing_by_the_keyboard_alone(service, page_of, encounter, capsys):
    """Every preselected code is decided, then the encounter is submitted, in 1.3 keystrokes a decision or fewer."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    wanted = [s for s in service.desk(id)["run"]["suggestions"] if s["selected"]]
    assert len(wanted) >= 3
    for place in range(len(wanted)):
        assert desk.current.count() == 1
        if place == 1:
            desk.press("r", "2")
        else:
            desk.press("a")
    decisions = len(wanted)
    strokes = desk.strokes
    desk.press("s")
    desk.page.get_by_role("heading", name="Submit this encounter").wait_for()
    desk.press("Enter")
    desk.page.get_by_text("Submitted.").first.wait_for()
    assert service.desk(id)["encounter"]["state"] == "submitted"
    verdicts = service.verdicts(id)
    assert [verdict for verdict, _ in verdicts].count("accept") == decisions - 1
    rejected = next(d for d in service.desk(id)["decisions"] if d["verdict"] == "reject")
    assert rejected["reason"] == "wrong_code"
    with capsys.disabled():
        sys.stdout.write(
            f"\n  by the keyboard alone: {decisions} decisions, {strokes / decisions:.2f} keystrokes each, 2 to submit\n"
        )
    assert strokes / decisions <= 1.3


def test_the_next_undecided_code_is_focused_and_nothing_scrolls_away(page_of, encounter):
    """After a decision the row that was next has the focus, and the row before it is still in sight."""
    desk = Desk(page_of("coder"), encounter())
    rows = desk.page.locator(".ca-suggested li[data-index] > b").all_inner_texts()
    desk.press("a")
    assert desk.current_code() == rows[1]
    assert desk.current.evaluate("row => row === document.activeElement")
    for row in (desk.row(rows[0]), desk.row(rows[1])):
        box, pane = row.bounding_box(), desk.page.locator(".ca-suggested").bounding_box()
        assert box["y"] + box["height"] > pane["y"]
        assert box["y"] < pane["y"] + pane["height"]
    desk.press("k", "k")
    assert desk.current_code() == rows[0]


def test_preselected_codes_come_up_before_the_others(service, page_of):
    """In every system what is preselected is asked for first; then the page says so, and goes on to the rest."""
    desk = Desk(page_of("lead"), "ca-002")
    suggestions = service.desk("ca-002")["run"]["suggestions"]
    wanted = {s["code"] for s in suggestions if s["selected"]}
    assert len({s["system"] for s in suggestions if s["selected"]}) == 2
    decided = set()
    for _ in wanted:
        decided.add(desk.current_code())
        desk.press("a")
    assert decided == wanted
    if any(s["score"] >= 0.2 for s in suggestions if not s["selected"]):
        desk.page.get_by_text("Every preselected code is decided.").wait_for()
        assert desk.current_code() not in wanted
    else:  # what is less likely is folded
        desk.page.get_by_text("Every listed code is decided.").wait_for()


def test_the_evidence_of_the_current_code_is_lit(page_of, encounter):
    """The words that a suggestion rests on are marked in the note, and e goes to the next place."""
    desk = Desk(page_of("coder"), encounter())
    desk.go_to("I10")
    lit = desk.page.locator("mark.ca-lit")
    assert "hypertension" in " ".join(lit.all_inner_texts()).lower()
    first = desk.page.locator("mark.ca-here").first.get_attribute("data-at")
    desk.press("e")
    assert desk.page.locator("mark.ca-here").first.get_attribute("data-at") != first


def test_undo_takes_the_last_decision_back(service, page_of, encounter):
    """A decision that was saved is undone by a new one; a rejection that waits for its reason is simply taken back."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    code = desk.current_code()
    desk.press("a").saved()
    assert desk.assigned() == [code]
    desk.press("u").saved()
    desk.page.get_by_text("Undone.").wait_for()
    assert desk.assigned() == []
    assert desk.current_code() == code
    assert service.codes(id) == []
    before = len(service.desk(id)["decisions"])
    desk.press("r", "u").saved()
    assert desk.current_code() == code
    assert desk.row(code).locator(".ca-verdict").count() == 0
    desk.page.wait_for_timeout(1900)
    assert len(service.desk(id)["decisions"]) == before


def test_bulk_accept_shows_what_it_takes_and_undoes_together(service, page_of, encounter):
    """All above the chosen probability are previewed; an unticked one stays; one undo takes all back."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    desk.press("b")
    slider = desk.page.get_by_role("slider")
    slider.fill("0.3")
    above = [s["code"] for s in service.desk(id)["run"]["suggestions"] if s["score"] >= 0.3]
    preview = desk.page.locator(".ca-preview li")
    assert preview.count() == len(above) > 2
    preview.first.get_by_role("checkbox").uncheck()
    desk.page.get_by_text(f"{len(above) - 1} codes").wait_for()
    desk.page.get_by_role("button", name="Accept these").click()
    desk.saved()
    assert sorted(service.codes(id)) == sorted(above[1:])
    assert {d["via"] for d in service.desk(id)["decisions"]} == {"bulk"}
    desk.press("u").saved()
    desk.page.get_by_text("Undone.").wait_for()
    assert service.codes(id) == []


def test_a_digit_takes_an_alternative(service, page_of, encounter):
    """The alternatives carry their titles, and a digit replaces the suggestion by one of them."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    suggestion = next(
        s for s in service.desk(id)["run"]["suggestions"] if s["selected"] and s["alternatives"]
    )
    desk.go_to(suggestion["code"])
    wanted = suggestion["alternatives"][0]
    first = desk.current.locator(".ca-alternatives button").first
    assert wanted in first.inner_text()
    desk.page.wait_for_function(
        "() => document.querySelector('.ca-alternatives [data-title]').textContent.length > 3"
    )
    desk.press("1").saved()
    assert wanted in desk.assigned()
    made = service.desk(id)["decisions"][-1]
    assert (made["verdict"], made["via"], made["code"]) == ("replace", "alternative", wanted)


def test_codes_for_selected_words(service, page_of, encounter):
    """Words selected by the mouse bring their codes; what is added rests on those words, to the character."""
    id = encounter(
        "ASSESSMENT: \N{PILE OF POO}\N{FACE WITH TEARS OF JOY} Feels well. Gout of the left ankle, and low back pain."
    )
    desk = Desk(page_of("coder"), id)
    note = service.desk(id)["encounter"]["notes"][0]
    desk.page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.querySelector('.ca-text'), NodeFilter.SHOW_TEXT);
          while (walker.nextNode()) {
            const at = walker.currentNode.data.indexOf('low back pain');
            if (at >= 0) getSelection().setBaseAndExtent(walker.currentNode, at, walker.currentNode, at + 13);
          }
        }"""
    )
    desk.page.get_by_role("button", name="Codes for “low back pain”").wait_for()
    desk.press("n")
    desk.page.locator(".ca-choices li").first.wait_for()
    assert "M54.50" in desk.page.locator(".ca-choices li").first.inner_text()
    desk.press("1").saved()
    made = service.desk(id)["decisions"][-1]
    assert made["code"] == "M54.50"
    places = made["evidence"] or [
        {"note_id": note["id"], **{k: e[k] for k in ("start", "end")}}
        for s in service.desk(id)["run"]["suggestions"]
        if s["code"] == "M54.50"
        for e in s["evidence"]
    ]
    assert any(note["text"][place["start"] : place["end"]] == "low back pain" for place in places)


def test_evidence_after_emoji_is_marked_to_the_character(service, page_of, encounter):
    """The service counts code points and the browser UTF-16 units: the marks stand on the right words."""
    id = encounter(
        "PLAN: \N{FACE WITH TEARS OF JOY}\N{PILE OF POO} \N{FAMILY} Essential hypertension \N{ROCKET}, stable. Gout."
    )
    desk = Desk(page_of("coder"), id)
    desk.go_to("I10")
    text = service.desk(id)["encounter"]["notes"][0]["text"]
    evidence = next(s for s in service.desk(id)["run"]["suggestions"] if s["code"] == "I10")["evidence"]
    lit = "".join(desk.page.locator("mark.ca-lit").all_inner_texts())
    assert lit == "".join(text[e["start"] : e["end"]] for e in evidence)
    assert "hypertension" in lit


def test_words_are_found_by_the_keyboard_alone(service, page_of, encounter):
    """Without a mouse, n asks for words of the note, and codes for that place are proposed."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    desk.press("n")
    desk.page.locator(".ca-chooser input").fill("low back pain")
    desk.page.locator(".ca-choices li").first.wait_for()
    desk.press("Enter")
    desk.page.get_by_role("heading", name="Codes for these words").wait_for()
    desk.page.locator(".ca-choices li").filter(has_text="M54.50").first.click()
    desk.saved()
    assert "M54.50" in service.codes(id)


def test_hold_with_a_query_and_release_with_the_answer(service, page_of, encounter):
    """A query is composed, the encounter waits, nothing can be decided, and the answer is kept."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    desk.search("I50.9").saved()
    desk.press("h")
    text = desk.page.get_by_label("The query")
    assert "heart failure" in text.input_value().lower()
    text.fill("Which type of heart failure is it?")
    desk.page.get_by_role("button", name="Hold", exact=True).last.click()
    desk.page.locator(".ca-held").get_by_text("Which type of heart failure").wait_for()
    desk.press("a")
    desk.page.get_by_text("nothing can be decided").wait_for()
    assert service.desk(id)["encounter"]["state"] == "on_hold"
    desk.press("h")
    desk.page.get_by_label("The provider's answer").fill("Acute systolic.")
    desk.page.get_by_role("button", name="Release", exact=True).last.click()
    desk.page.locator(".ca-banner .ca-state-in_review").wait_for()
    assert service.desk(id)["encounter"]["state"] == "in_review"
    assert service.desk(id)["hold"]["answer"] == "Acute systolic."


def test_submit_shows_what_blocks_it(service, page_of, encounter):
    """An error of the rules keeps the encounter back until the code is taken out."""
    id = encounter(sex="male", age=80)
    desk = Desk(page_of("coder"), id)
    desk.press("a").search("O80").saved()
    desk.press("s")
    desk.page.get_by_role("heading", name="1 error to mend first").wait_for()
    assert "O80" in desk.page.get_by_role("dialog").inner_text()
    desk.press("Enter")
    desk.page.get_by_role("tab", name="Findings").and_(desk.page.locator("[aria-selected=true]")).wait_for()
    assert service.desk(id)["encounter"]["state"] == "in_review"
    desk.page.get_by_role("tab", name="Codes").click()
    desk.page.get_by_role("button", name="Take O80 out").click()
    desk.saved()
    desk.press("s")
    desk.page.get_by_role("heading", name="Submit this encounter").wait_for()
    desk.press("Enter")
    desk.page.get_by_text("Submitted.").first.wait_for()
    assert service.desk(id)["encounter"]["state"] == "submitted"


def test_a_finding_is_mended_by_a_key(service, page_of, encounter):
    """A finding stands on its code and in the list; f applies the fix that it offers."""
    id = encounter("ASSESSMENT: Seen for fatigue.")
    desk = Desk(page_of("coder"), id)
    desk.search("D63.1").saved().search("N18.32").saved()
    desk.page.locator(".ca-assigned .ca-finding").filter(has_text="N18.32").first.wait_for()
    assert service.codes(id) == ["D63.1", "N18.32"]
    desk.press("f").saved()
    desk.page.wait_for_function("() => !document.querySelector('.ca-assigned .ca-finding button')")
    assert service.codes(id) == ["N18.32", "D63.1"]
    assert desk.assigned() == ["N18.32", "D63.1"]


def test_a_fix_sets_modifiers(service, page_of, encounter):
    """f puts the modifier that a finding names on the line, beside what it carries already."""
    id = encounter("ASSESSMENT: Seen for fatigue.")
    desk = Desk(page_of("coder"), id)
    desk.search("99213").saved().search("20610").saved()
    tag = desk.page.locator(".ca-assigned .ca-finding").filter(has_text="modifier 25").first
    tag.get_by_role("button", name="Set 99213-25").wait_for()
    desk.press("f").saved()
    desk.page.locator(".ca-assigned .ca-modifiers").filter(has_text="-25").wait_for()
    codes = {code["code"]: code["modifiers"] for code in service.desk(id)["codes"]}
    assert codes == {"99213": ["25"], "20610": []}


def test_present_on_admission_is_said_at_the_desk(service, page_of):
    """Of a diagnosis of a stay the dialog of m asks whether it was present."""
    id = service.imported("ASSESSMENT: Gout.", setting="inpatient", claim="facility")
    desk = Desk(page_of("coder"), id)
    desk.press("a").saved().press("k", "m")
    desk.page.get_by_label("Present on admission").select_option("Y")
    desk.page.get_by_role("dialog").get_by_role("button", name="Set").click()
    desk.page.locator(".ca-assigned .ca-modifiers").filter(has_text="POA Y").wait_for()
    desk.saved()
    (code,) = service.desk(id)["codes"]
    assert (code["present_on_admission"], code["from_suggestion"]) == ("Y", True)


def test_findings_are_walked_and_mended_by_keys(service, page_of, encounter):
    """Under Findings j and k walk the list, f applies the fix of the one stood on, and its code leads to the evidence."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    for code in ("I10", "N18.4"):
        desk.search(code).saved()
    page = desk.page
    page.get_by_role("tab", name="Findings").click()
    rows = page.locator("li[data-finding]")
    rows.nth(1).wait_for()
    fixable = rows.filter(has=page.locator(".ca-fix"))
    desk.press("j", "k")
    while not page.locator("li[data-finding]:focus .ca-by-key").count():
        assert desk.strokes < 60, "no finding of the list has a fix"
        desk.press("j")
    about = page.locator("li[data-finding]:focus .ca-about button").first
    code = about.inner_text()
    about.click()
    assert page.get_by_role("tab", name="Codes").get_attribute("aria-selected") == "true"
    assert code in desk.assigned()
    page.get_by_role("tab", name="Findings").click()
    decided = service.verdicts(id)
    desk.press("1")
    assert page.get_by_role("tab", name="Codes").get_attribute("aria-selected") == "true"
    assert desk.saved().current.count() == 1 and service.verdicts(id) == decided
    page.get_by_role("tab", name="Findings").click()
    before = (fixable.count(), service.codes(id))
    desk.press("f").saved()
    assert (fixable.count(), service.codes(id)) != before
    assert page.get_by_role("tab", name="Findings").get_attribute("aria-selected") == "true"


def test_several_notes_are_one_encounter(service, page_of):
    """The outline names the notes and the sections of the one being read; evidence is shown in its own note."""
    history = "HISTORY OF PRESENT ILLNESS: Cough.\n\n" + "The patient walks every day.\n" * 60
    notes = [
        {"id": "several-1", "title": "Admission", "text": history + "\nPLAN: Rest.\n"},
        {
            "id": "several-2",
            "title": "Discharge",
            "text": "ASSESSMENT: Essential hypertension.\n\nPLAN: Home.\n",
        },
    ]
    id = service.imported(None, notes=notes, title="Two notes")
    desk = Desk(page_of("coder"), id).go_to("I10")
    page = desk.page
    lit = page.locator("article").nth(1).locator("mark.ca-lit")
    assert "hypertension" in " ".join(lit.all_inner_texts()).lower()
    assert lit.first.evaluate("mark => mark.getBoundingClientRect().top < innerHeight")
    outline = page.get_by_role("navigation", name="Notes of the encounter")
    assert outline.locator("[aria-current]").inner_text() == "Discharge"
    sections = page.get_by_role("navigation", name="Sections")
    assert sections.get_by_role("button").all_inner_texts() == ["Assessment", "Plan"]
    outline.get_by_role("button", name="Admission").click()
    page.wait_for_timeout(100)
    assert sections.get_by_role("button").all_inner_texts() == ["History of present illness", "Plan"]
    assert page.locator(".ca-notes-text").evaluate("notes => notes.scrollTop") < 50


def test_modifiers_order_and_claim_view(service, page_of, encounter):
    """Units and modifiers are set, a code is made first-listed, and the claim view shows both."""
    id = encounter()
    desk = Desk(page_of("coder"), id)
    codes = [desk.current_code()]
    desk.press("a")
    codes.append(desk.current_code())
    desk.press("a").saved()
    desk.press("k")
    assert desk.current_code() == codes[1]
    desk.press("p").saved()
    assert desk.assigned()[0] == codes[1]
    desk.search("99213").saved()
    desk.page.get_by_role("button", name="Modifiers and units of 99213").click()
    desk.page.get_by_label("Modifiers, two characters").fill("25")
    desk.page.get_by_role("spinbutton", name="Units").fill("2")
    desk.page.keyboard.press("Enter")
    desk.saved()
    desk.page.get_by_role("tab", name="Claim").click()
    claim = desk.page.locator(".ca-claim-view")
    claim.get_by_text("99213").wait_for()
    lines = claim.locator("tbody tr").all_inner_texts()
    assert codes[1] in lines[0]
    procedure = next(line for line in lines if "99213" in line)
    assert "25" in procedure
    assert "2" in procedure.split("25")[1]


def test_keys_pause_while_typing_and_can_be_changed(service, page_of, encounter):
    """Letters typed into a field are text; a key that was changed works, is kept, and can be taken back."""
    id = encounter()
    page = page_of("coder")
    desk = Desk(page, id)
    desk.press("/")
    page.keyboard.type("aaa rrr")
    desk.press("Escape")
    assert service.verdicts(id) == []
    desk.press("?")
    page.get_by_role("button", name="Change the key for: accept", exact=True).click()
    page.keyboard.press("j")
    page.get_by_text("is for “next code” already").wait_for()
    page.get_by_role("button", name="Change the key for: accept", exact=True).click()
    page.keyboard.press("y")
    page.get_by_text("is now for “accept”").wait_for()
    page.get_by_role("button", name="Close").click()
    page.reload()
    desk = Desk(page, id, fresh=False)
    code = desk.current_code()
    desk.press("a")
    desk.press("y").saved()
    assert service.verdicts(id) == [("accept", code)]
    desk.press("?")
    page.get_by_label("Single-key shortcuts").uncheck()
    page.get_by_role("button", name="Close").click()
    desk.press("y").saved()
    assert len(service.verdicts(id)) == 1


def test_everything_is_there_for_a_finger_at_390_pixels(service, page_of, encounter):
    """On a phone nothing overflows sideways, and accepting, rejecting with a reason and submitting work by touch."""
    id = encounter()
    page = page_of("coder", width=390, height=780, has_touch=True, is_mobile=True)
    desk = Desk(page, id)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    first = desk.current_code()
    thumb = page.get_by_role("group", name="The current code")
    thumb.get_by_role("button", name="Accept").tap()
    second = desk.current_code()
    assert second != first
    thumb.get_by_role("button", name="Reject").tap()
    page.locator(".ca-status").get_by_role("button", name="integral to another code").tap()
    third = desk.current_code()
    thumb.get_by_role("button", name="Reject").tap()
    thumb.get_by_role("button", name="Undo").tap()
    assert desk.current_code() == third
    thumb.get_by_role("button", name="Reject").tap()
    desk.row(third).tap()
    desk.current.get_by_role("button", name="wrong code").tap()
    desk.saved()
    page.wait_for_timeout(300)
    made = {d["code"]: d["reason"] for d in service.desk(id)["decisions"] if not d["undone"]}
    assert (made[second], made[third]) == ("integral", "wrong_code")
    assert service.codes(id) == [first]
    page.get_by_role("button", name="Submit").tap()
    page.get_by_role("dialog").get_by_role("button", name="Submit").tap()
    page.get_by_text("Submitted.").first.wait_for()


def test_the_history_says_who_did_what(page_of, encounter):
    """The history lists the decisions with who made them, and takes comments."""
    desk = Desk(page_of("coder"), encounter())
    code = desk.current_code()
    desk.press("a").saved()
    desk.page.get_by_role("tab", name="History").click()
    desk.page.locator(".ca-history li").filter(has_text=f"accepted {code}").get_by_text(
        "demo-coder"
    ).wait_for()
    desk.page.get_by_label("A comment").fill("Please look at the second page.")
    desk.page.get_by_role("button", name="Comment").click()
    desk.page.locator(".ca-history").get_by_text("Please look at the second page.").wait_for()


def test_taking_the_next_encounter(service, page_of):
    """The next encounter is taken with one press and belongs to who took it."""
    page = page_of("coder")
    page.goto("/")
    page.get_by_role("button", name="Take the next encounter").click()
    page.locator("li[aria-current=true]").wait_for()
    id = page.evaluate("decodeURIComponent(location.hash.split('/')[2])")
    assert service.desk(id)["encounter"]["assigned_to"] == "demo-coder"

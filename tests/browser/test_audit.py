"""The lead's and the auditor's views, and practice."""

from __future__ import annotations

from tests.browser.driving import Desk

NOTE = """ASSESSMENT:
1. Type 2 diabetes mellitus.
2. Essential hypertension.
3. Gout.

Dictated for the audit of {0}.
"""


def _submitted(service, page_of, name):
    id = service.imported(NOTE.format(name))
    page = page_of("coder")
    desk = Desk(page, id)
    for _ in range(len([s for s in service.desk(id)["run"]["suggestions"] if s["selected"]])):
        desk.press("a")
    desk.saved().press("s")
    page.get_by_role("heading", name="Submit this encounter").wait_for()
    desk.press("Enter")
    page.get_by_text("Submitted.").first.wait_for()
    return id, page


def test_an_auditor_overturns_and_the_coder_rebuts(service, page_of):
    """From the sample over agreeing, overturning with a reason, the rebuttal and the last word to the end."""
    id, coder = _submitted(service, page_of, "the overturned code")
    codes = service.codes(id)
    auditor = page_of("auditor")
    auditor.goto("/#/audits")
    auditor.get_by_label("Size").fill("1000")
    auditor.get_by_role("button", name="Begin an audit").click()
    auditor.get_by_role("heading", name="Audit ").wait_for()
    auditor.get_by_role("link", name=id, exact=True).click()
    auditor.get_by_role("button", name=f"Agree with {codes[0]}").click()
    auditor.get_by_text("✓ Agreed").wait_for()
    auditor.get_by_role("button", name=f"Overturn {codes[1]}").click()
    dialog = auditor.get_by_role("dialog", name=f"Overturn {codes[1]}")
    dialog.get_by_label("What was wrong").select_option("unsupported")
    dialog.get_by_label("Reason").fill("The reading was taken once.")
    dialog.get_by_role("button", name="Record").click()
    auditor.get_by_text("✗ Overturned").wait_for()

    for code in codes[2:]:
        auditor.get_by_role("button", name=f"Agree with {code}").click()
        auditor.get_by_role("button", name=f"Agree with {code}").wait_for(state="detached")
    auditor.get_by_role("button", name="Finish").click()
    auditor.get_by_text("Read by the auditor").wait_for()

    coder.goto("/" + auditor.url.split("/", 3)[3])
    coder.get_by_text("The reading was taken once.").wait_for()
    assert coder.get_by_role("button", name="Agree with").count() == 0
    coder.get_by_role("button", name="Rebut").click()
    coder.get_by_label("Why the code stands").fill("It is treated with lisinopril.")
    coder.get_by_role("button", name="Send").click()
    coder.get_by_text("It is treated with lisinopril.").wait_for()

    auditor.reload()
    auditor.get_by_text("It is treated with lisinopril.").wait_for()
    auditor.get_by_role("button", name="The coder is right").click()
    auditor.get_by_label("The last word").fill("Agreed after a second reading.")
    auditor.get_by_role("button", name="Send").click()
    auditor.get_by_text("Agreed after a second reading.").wait_for()
    auditor.get_by_role("button", name="Close this encounter").click()
    auditor.get_by_text("Finished").first.wait_for()
    finding = next(
        finding
        for item in service.call("auditor", "GET", f"/v1/audits/{auditor.url.split('/')[-2]}")["items"]
        if item["encounter"] == id
        for finding in item["findings"]
        if finding["code"] == codes[1]
    )
    assert (finding["verdict"], finding["stands"], finding["state"]) == ("overturn", "agree", "final")
    assert service.desk(id)["encounter"]["state"] == "accepted"


def test_an_auditor_codes_blind_and_then_compares(service, page_of):
    """The notes alone are there until the second coding is submitted; then both codings stand side by side."""
    id, _ = _submitted(service, page_of, "the blinded code")
    codes = service.codes(id)
    auditor = page_of("auditor")
    auditor.goto("/#/audits")
    auditor.get_by_label("Size").fill("1000")
    auditor.get_by_label("Blinded").check()
    auditor.get_by_role("button", name="Begin an audit").click()
    auditor.get_by_role("heading", name="Audit ").wait_for()
    row = auditor.get_by_role("row").filter(has=auditor.get_by_role("link", name=id, exact=True))
    assert "veiled" in row.inner_text()
    row.get_by_role("link").click()
    auditor.get_by_text("This audit is blinded").wait_for()
    assert "Essential hypertension" in auditor.locator(".ca-notes").inner_text()
    assert not [code for code in codes if code in auditor.locator("main").inner_text()]
    desk = Desk(auditor, id, fresh=False)
    for code in ("I10", "J45.909"):
        desk.search(code)
        auditor.locator(f'li[data-code="ICD-10-CM:{code}"]').wait_for()
    auditor.get_by_role("button", name="Submit and compare").click()
    auditor.get_by_role("dialog").get_by_role("button", name="Submit and compare").click()
    shown = auditor.get_by_label("Both codings")
    shown.wait_for()
    compared = {line.split()[0]: line.split()[-2:] for line in shown.locator("tbody tr").all_inner_texts()}
    assert compared["I10"] == ["✓", "✓"]
    assert compared["J45.909"] == ["–", "✓"]
    assert compared[next(code for code in codes if code != "I10")] == ["✓", "–"]
    auditor.get_by_role("button", name=f"Agree with {codes[0]}").wait_for()


def test_the_lead_sees_throughput_and_holds_and_assigns(service, page_of):
    """The overview counts what was done and lists the open query; an encounter is given to a coder."""
    _, coder = _submitted(service, page_of, "the overview")
    held = service.imported(NOTE.format("the hold"))
    desk = Desk(coder, held)
    desk.press("h")
    coder.get_by_label("The query").fill("Is the gout acute or chronic?")
    coder.get_by_role("dialog").get_by_role("button", name="Hold").click()
    coder.locator(".ca-held").wait_for()
    lead = page_of("lead")
    lead.goto("/#/overview")
    lead.get_by_text("Is the gout acute or chronic?").wait_for()
    tile = lead.locator(".ca-tiles li").filter(has_text="on hold").locator("b")
    assert int(tile.inner_text()) == len(service.call("lead", "GET", "/v1/encounters?state=on_hold")["items"])
    throughput = (
        lead.locator("section")
        .filter(has_text="Throughput")
        .locator("tbody tr")
        .filter(has_text="Demo coder")
    )
    assert throughput.count() == 1
    free = service.imported(NOTE.format("the assignment"))
    Desk(lead, free)
    lead.get_by_role("button", name="Assign").click()
    lead.get_by_role("dialog").locator("select").select_option("demo-coder")
    lead.get_by_role("dialog").get_by_role("button", name="Assign").click()
    lead.get_by_text("with demo-coder").wait_for()
    assert service.desk(free)["encounter"]["assigned_to"] == "demo-coder"


def test_practice_hides_suggestions_until_the_note_is_coded(service, page_of):
    """A learner codes alone, then sees the author's codes, the own and the tool's, with reasons and a score."""
    page = page_of("coder")
    page.goto("/#/practice")
    case = service.call("coder", "GET", "/v1/practice")["cases"][0]
    page.get_by_role("link", name=case["title"], exact=True).first.click()
    page.locator(".ca-codes h2").first.wait_for()
    assert page.locator(".ca-suggested li").count() == 0
    assert page.locator(".ca-text mark").count() == 0
    desk = Desk(page, case["id"], fresh=False)
    desk.search("I10").saved().search("E66.9").saved()
    assert desk.assigned() == ["I10", "E66.9"]
    desk.press("u").saved()
    page.wait_for_function("() => document.querySelectorAll('.ca-assigned li').length === 1")
    desk.press("s")
    page.get_by_role("dialog").get_by_role("button", name="Compare").click()
    page.get_by_role("heading", name=case["title"]).wait_for()
    page.locator(".ca-tiles").wait_for()
    rows = page.locator(".ca-table tbody tr").all_inner_texts()
    answer = service.call(
        "coder", "POST", f"/v1/practice/{case['id']}", {"codes": [{"system": "ICD-10-CM", "code": "I10"}]}
    )
    for gold in answer["gold"]:
        row = next(row for row in rows if gold["code"] in row)
        assert ("✓ right" in row) == (gold["code"] == "I10")
        assert ("▲ missed" in row) == (gold["required"] and gold["code"] != "I10")
    tiles = page.locator(".ca-tiles li").all_inner_texts()
    assert tiles[0].split()[0] == str(answer["score"]["right"])
    assert any("mentioned" in row or "synonym" in row or "title" in row for row in rows)


def test_an_admin_adds_people_and_shuts_them_out(service, page_of):
    """An admin lands on the people, adds one, and takes the right to sign in away."""
    page = page_of("admin")
    page.goto("/")
    page.get_by_role("heading", name="Add a person").wait_for()
    page.get_by_role("textbox", name="Name").fill("Piet")
    page.locator("form select").select_option("auditor")
    page.get_by_role("textbox", name="Password").fill("correct horse battery")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Shut out Piet").click()
    page.get_by_role("button", name="Let in Piet").wait_for()
    piet = next(user for user in service.call("admin", "GET", "/v1/users")["users"] if user["name"] == "Piet")
    assert (piet["role"], piet["active"]) == ("auditor", False)

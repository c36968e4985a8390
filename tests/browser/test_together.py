"""Two people at one encounter, a lost connection, a session that ends: nothing decided is lost or done twice."""

from __future__ import annotations

import pytest

from tests.browser.driving import Desk

NOTE = """ASSESSMENT:
1. Type 2 diabetes mellitus.
2. Essential hypertension.
3. Mixed hyperlipidemia.
4. Gout.
"""


@pytest.fixture
def encounter(service, request):
    """An encounter for this test alone."""
    return service.imported(f"{NOTE}\nSeen for {request.node.name}.")


def test_a_conflict_is_said_and_both_decisions_can_stand(service, page_of, encounter):
    """Who comes second sees what the first one did, and saves the own decision on top."""
    first, second = Desk(page_of("coder"), encounter), Desk(page_of("lead"), encounter)
    code = first.current_code()
    first.press("a").saved()
    second.press("j")
    other = second.current_code()
    assert other != code
    second.press("r", "3")
    dialog = second.page.get_by_role("dialog", name="Someone else changed this encounter")
    dialog.wait_for()
    assert code in dialog.inner_text()
    assert "demo-coder" in dialog.inner_text()
    assert other in dialog.inner_text()
    second.page.keyboard.press("Escape")
    assert dialog.is_visible()
    second.page.keyboard.press("Enter")
    second.saved()
    assert sorted(service.verdicts(encounter)) == [("accept", code), ("reject", other)]
    assert second.assigned() == [code]
    reasons = {d["code"]: d["reason"] for d in service.desk(encounter)["decisions"]}
    assert reasons[other] == "not_reportable"


def test_a_conflict_about_the_same_code_may_be_left_to_the_other(service, page_of, encounter):
    """Where both decided on one code it is marked, and the own decision can be left out."""
    first, second = Desk(page_of("coder"), encounter), Desk(page_of("lead"), encounter)
    code = first.current_code()
    first.press("a").saved()
    second.press("r")
    second.page.wait_for_timeout(1700)
    second.page.get_by_text("both of you").wait_for()
    second.page.get_by_role("button", name="Leave mine out").click()
    second.saved()
    assert service.verdicts(encounter) == [("accept", code)]
    assert second.row(code).locator(".ca-verdict").inner_text() == "accepted"


def test_without_a_connection_decisions_wait_and_are_sent_once(service, page_of, encounter):
    """Offline the page says so and goes on; what was decided is there once, in order, when it is back."""
    page = page_of("coder")
    desk = Desk(page, encounter)
    page.context.set_offline(True)
    codes = []
    for _ in range(3):
        codes.append(desk.current_code())
        desk.press("a")
    page.get_by_role("alert").get_by_text("3 changes not saved yet").wait_for()
    assert desk.assigned() == codes
    desk.press("u")
    page.get_by_role("alert").wait_for()
    assert desk.assigned() == codes[:2]
    assert service.verdicts(encounter) == []
    page.context.set_offline(False)
    page.get_by_text("The connection is back; everything is saved.").wait_for()
    assert service.verdicts(encounter) == [("accept", code) for code in codes[:2]]


def test_an_answer_that_is_lost_is_not_decided_twice(service, page_of, encounter):
    """The service decided, but its answer never came: the page asks again by the same key, and it stands once."""
    page = page_of("coder")
    desk = Desk(page, encounter)
    lost = []

    def lose(route):
        if not lost:
            lost.append(route.fetch().status)  # the service has it
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/decisions", lose)
    code = desk.current_code()
    desk.press("a")
    page.get_by_role("alert").get_by_text("No connection").wait_for()
    page.get_by_text("The connection is back; everything is saved.").wait_for()
    assert lost == [200]
    assert [(d["verdict"], d["code"]) for d in service.desk(encounter)["decisions"]] == [("accept", code)]
    page.complaints[:] = [words for words in page.complaints if "ERR_CONNECTION_RESET" not in words]


def test_leaving_the_encounter_offline_loses_nothing(service, page_of, encounter):
    """Decisions that wait are sent even when the person has gone on to another view."""
    page = page_of("coder")
    desk = Desk(page, encounter)
    code = desk.current_code()
    page.context.set_offline(True)
    desk.press("a")
    page.get_by_role("alert").get_by_text("No connection").wait_for()
    page.evaluate("location.hash = '#/practice'")
    page.get_by_role("heading", name="Practice").wait_for()
    with page.expect_response(lambda answer: answer.url.endswith("/decisions") and answer.ok):
        page.context.set_offline(False)
    assert service.verdicts(encounter) == [("accept", code)]


def test_a_session_that_ends_keeps_what_was_not_saved(service, page_of, encounter):
    """Signed out in the middle of work, one signs in again and the decision is sent; nobody else would send it."""
    person = {"name": f"Olga {encounter}", "role": "lead", "password": "correct horse battery"}
    service.call("admin", "POST", "/v1/users", person)
    page = page_of(None)
    page.goto("/")

    def sign_in():
        page.get_by_label("Name").fill(person["name"])
        page.get_by_label("Password").fill(person["password"])
        page.keyboard.press("Enter")

    sign_in()
    page.get_by_role("heading", name="Good to see you").wait_for()
    desk = Desk(page, encounter)
    code = desk.current_code()
    page.context.clear_cookies()
    desk.press("a")
    page.get_by_text("Not saved yet: 1 change.").wait_for()
    assert service.verdicts(encounter) == []
    sign_in()
    page.locator(".ca-assigned li").first.wait_for()
    assert service.verdicts(encounter) == [("accept", code)]
    assert Desk(page, encounter, fresh=False).assigned() == [code]

"""The demo's attack lab shows in each engine what the suite asserts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser import demo_site, pictures
from tests.browser.demo_site import Demo
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser
each_size = pytest.mark.parametrize("size", pictures.SIZES, ids=["desktop", "phone"])

STOLEN = "Alice\u2019s private line: call me at 5 pm."
FORGED = "Please wire the money to Mallory. (not written by me)"
READ = """
var lines = document.querySelectorAll('#' + arguments[0] + ' li');
return Array.prototype.map.call(lines, function (line) {
  var heard = line.querySelector('em');
  return [line.querySelector('strong').textContent, heard ? heard.textContent : null,
    line.querySelector('small').textContent];
});
"""


@pytest.fixture
def victim(visitor: Visitor, demo: Demo) -> Iterator[Visitor]:
    """Return alice at the demo, connected to the chat, who has opened the evil page in a tab."""
    visitor.go(demo.url)
    visitor.driver.delete_all_cookies()
    log_in(visitor, demo)
    visitor.home = visitor.driver.current_window_handle
    address = visitor.run("return document.getElementById('evil').href")
    visitor.driver.switch_to.new_window("tab")
    visitor.go(address)
    visitor.wait("return document.body.getAttribute('data-done')")
    yield visitor
    visitor.forget()


@pytest.fixture
def writing(request: pytest.FixtureRequest) -> bool:
    """Tell whether this run writes the evidence, the pictures among it."""
    return bool(request.config.getoption("--write-evidence", default=False))


def log_in(visitor: Visitor, demo: Demo) -> None:
    """Log in as alice, and wait until the chat is connected."""
    visitor.go(demo.url)
    visitor.run("document.querySelector('[value=alice]').click()")
    visitor.wait("return /Connected/.test(document.getElementById('state').textContent)")


def rows(visitor: Visitor, list_: str) -> list[Any]:
    found: list[Any] = visitor.run(READ, list_)
    return found


def press(visitor: Visitor, title: str) -> list[Any]:
    """Press a button of the lab, and return its line."""
    before = len(rows(visitor, "layers"))
    button = visitor.driver.find_element("xpath", f"//button[text()='{title}']")
    button.click()
    visitor.wait("return document.querySelectorAll('#layers li').length > arguments[0]", before)
    visitor.wait("return !document.querySelector('button').disabled")
    line: list[Any] = rows(visitor, "layers")[-1]
    return line


def test_the_unguarded_socket_is_hijacked_and_the_guarded_one_is_not(
    victim: Visitor,
) -> None:
    for verdict, heard, _ in rows(victim, "unguarded"):
        assert (verdict, heard) == ("hijacked", STOLEN)
    assert [reason for *_, reason in rows(victim, "guarded")] == [
        "This page saw: an error, then close 1006. The server: origin_not_allowed."
    ] * 2
    victim.driver.switch_to.window(victim.home)
    victim.wait(
        "return document.getElementById('log').textContent.indexOf(arguments[0]) >= 0", FORGED
    )


def test_with_nothing_left_out_a_leaked_token_is_worth_nothing(victim: Visitor) -> None:
    verdict, heard, reason = press(victim, "Nothing left out")
    assert (verdict, heard) == ("refused", None)
    assert "origin_not_allowed" in reason


def test_without_origin_a_leaked_token_opens_the_chat(victim: Visitor) -> None:
    assert press(victim, "Without Origin")[:2] == ["hijacked", STOLEN]


def test_sec_fetch_is_a_second_lock_where_the_engine_sends_it(victim: Visitor) -> None:
    verdict, _, reason = press(victim, "Without Origin, Sec-Fetch kept")
    if victim.name == "chromium":
        assert verdict == "hijacked"
    else:
        assert "cross_site_fetch" in reason


def test_without_origin_and_token_the_cookies_are_enough(victim: Visitor) -> None:
    assert press(victim, "Without Origin and token")[:2] == ["hijacked", STOLEN]


@pytest.mark.parametrize(
    ("shut", "reason", "opened"),
    [
        (
            "Forged ticket, nothing left out",
            "ticket_invalid",
            "Forged ticket, its signature unchecked",
        ),
        (
            "Stolen ticket, nothing left out",
            "session_ended",
            "Stolen ticket, session unchecked",
        ),
    ],
    ids=["ticket", "session"],
)
def test_an_attacker_without_a_browser_needs_the_check_gone(
    victim: Visitor, shut: str, reason: str, opened: str
) -> None:
    assert reason in press(victim, shut)[2]
    assert press(victim, opened)[:2] == ["hijacked", STOLEN]


def test_origin_stands_alone_without_the_token(victim: Visitor) -> None:
    assert "origin_not_allowed" in press(victim, "Without token, Origin kept")[2]


@pytest.fixture
def chat(visitor: Visitor, tmp_path: Path) -> Iterator[Visitor]:
    """Return alice in a chat that nobody has attacked yet, who has said good morning."""
    with demo_site.running(tmp_path) as demo:
        visitor.go(demo.url)
        visitor.driver.delete_all_cookies()
        log_in(visitor, demo)
        text = visitor.driver.find_element("id", "text")
        for line in ("Good morning!", "Shall we meet at nine?"):
            text.send_keys(line, Keys.ENTER)
            said = "return document.getElementById('log').textContent.indexOf(arguments[0]) >= 0"
            visitor.wait(said, line)
        visitor.wait("return /1 person/.test(document.getElementById('ticker').textContent)")
        yield visitor
        visitor.forget()


@each_size
def test_the_lab_fits_the_screen(victim: Visitor, size: str, writing: bool) -> None:
    fits(victim, "lab", size, writing)


@each_size
def test_the_chat_fits_the_screen(chat: Visitor, size: str, writing: bool) -> None:
    fits(chat, "demo", size, writing)


def fits(visitor: Visitor, name: str, size: str, writing: bool) -> None:
    """Nothing sticks out to the right; the suite takes its pictures here."""
    with pictures.seen_on(visitor, size):
        width, room = visitor.run(
            "var root = document.documentElement; return [root.scrollWidth, root.clientWidth];"
        )
        assert width <= room
        if writing and visitor.name == "chromium":
            pictures.take(visitor, name + size)


def test_every_button_of_the_lab_is_reached_by_keyboard(victim: Visitor) -> None:
    """Tab goes through them in the order of the page, and shows where it is."""
    titles = victim.run(
        "return Array.prototype.map.call(document.querySelectorAll('button'),"
        "function (button) { return button.textContent; })"
    )
    reached = []
    for _ in titles:
        ActionChains(victim.driver).send_keys(Keys.TAB).perform()
        title, outline = victim.run(
            "var at = document.activeElement;"
            "return [at.textContent, window.getComputedStyle(at).outlineStyle]"
        )
        assert outline == "solid", title
        reached.append(title)
    assert reached == titles

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
from tests.browser.visitor import Visitor, until
from tests.wire import Attempt, Wire

pytestmark = pytest.mark.browser

STOLEN = "Alice\u2019s private line: call me at 5 pm."
FORGED = "Please wire the money to Mallory. (not written by me)"
SPOKEN = f"Alice says now: {FORGED}"
RED = "rgb(176, 42, 33)"
SHUT = "This page saw: an error, then close 1006. The server: origin_not_allowed."
NOTHING = "The attacker is given nothing but what the browser sends by itself: the cookies."
LEAK = "The attacker is given a token that leaked from a log, still fresh."
OWN_KEY = (
    "The attacker has no browser of hers. He is given her token, and signs a ticket with a key of "
    "his own."
)
KEPT = (
    "Alice logged in on another computer, which asked for a ticket, and logged out. The attacker "
    "is given all that it held before: token, ticket and session cookie."
)
READ = """
function words(of) { return of.textContent; }
function all(of, selector) { return Array.prototype.slice.call(of.querySelectorAll(selector)); }
return all(document.getElementById(arguments[0]), 'li').map(function (line) {
  var verdict = line.querySelector('strong'), note = line.querySelector('small');
  return [words(verdict), all(line, 'em').map(words), words(note)];
});
"""
COUNT = """
var words = 'Alice ' + arguments[0], said = document.querySelectorAll('#log .mine');
return Array.prototype.filter.call(said, function (one) {
  return one.textContent === words;
}).length;
"""


@pytest.fixture
def victim(visitor: Visitor, demo: Demo) -> Iterator[Visitor]:
    """Return alice at the demo, connected to the chat, who has opened the evil page in a tab."""
    visitor.go(demo.url)
    visitor.driver.delete_all_cookies()
    log_in(visitor, demo)
    before = visitor.run(COUNT, FORGED)
    visit_the_evil_page(visitor)
    until(lambda: forged(visitor) > before)
    yield visitor
    visitor.forget()


@pytest.fixture
def writing(request: pytest.FixtureRequest) -> bool:
    """Tell whether this run writes the evidence, the pictures among it."""
    return bool(request.config.getoption("--write-evidence", default=False))


def log_in(visitor: Visitor, demo: Demo) -> None:
    """Log in as alice, and wait until the chat is connected and has told what was said before."""
    visitor.go(demo.url)
    visitor.run("document.querySelector('[value=alice]').click()")
    visitor.wait("return document.getElementById('log').getAttribute('aria-busy') === 'false'")


def visit_the_evil_page(visitor: Visitor) -> None:
    """Click its link, go to the tab that opens, and wait until it has attacked."""
    visitor.home = visitor.driver.current_window_handle
    visitor.driver.find_element("id", "evil").click()
    until(lambda: len(visitor.driver.window_handles) == 2)
    (evil,) = set(visitor.driver.window_handles) - {visitor.home}
    visitor.driver.switch_to.window(evil)
    visitor.wait("return document.body.getAttribute('data-done')")


def rows(visitor: Visitor, list_: str) -> list[Any]:
    found: list[Any] = visitor.run(READ, list_)
    return found


def press(visitor: Visitor, title: str, given: str, key: str = "") -> list[Any]:
    """Press a button of the lab, by mouse or key, and return its line.

    The page says what the attacker is given, and no window that it opened stays.
    """
    before = len(rows(visitor, "layers"))
    button = visitor.driver.find_element("xpath", f"//button[text()='{title}']")
    if key:
        button.send_keys(key)
    else:
        button.click()
    visitor.wait("return document.querySelectorAll('#layers li').length > arguments[0]", before)
    visitor.wait(
        "return document.querySelector('button').getAttribute('aria-disabled') === 'false'"
    )
    assert visitor.run("return document.getElementById('given').textContent") == given
    until(lambda: len(visitor.driver.window_handles) == 2)
    line: list[Any] = rows(visitor, "layers")[-1]
    return line


def forged(visitor: Visitor) -> int:
    """Return how many forged messages stand in alice's own chat, in her name."""
    evil = visitor.driver.current_window_handle
    visitor.driver.switch_to.window(visitor.home)
    count: int = visitor.run(COUNT, FORGED)
    visitor.driver.switch_to.window(evil)
    return count


def speaks_once(visitor: Visitor, before: int) -> None:
    """Wait until her chat shows a forged message more than before, and one only."""
    until(lambda: forged(visitor) > before)
    assert forged(visitor) == before + 1


def test_the_unguarded_socket_is_hijacked_and_the_guarded_one_is_not(victim: Visitor) -> None:
    """Two attacks each: listening, and speaking in her name; what he got stands in red."""
    before = forged(victim)
    victim.driver.refresh()
    victim.wait("return document.body.getAttribute('data-done')")
    saw = "This page saw: an open socket. The server: accepted."
    assert rows(victim, "unguarded") == [
        ["hijacked", [STOLEN], saw],
        ["hijacked", [STOLEN, SPOKEN], saw],
    ]
    assert rows(victim, "guarded") == [["refused", [], SHUT]] * 2
    speaks_once(victim, before)
    colours = victim.run(
        "return Array.prototype.map.call(document.querySelectorAll('#unguarded em'),"
        "function (em) { return window.getComputedStyle(em).color; })"
    )
    assert colours == [RED] * 3


def test_with_nothing_left_out_a_leaked_token_is_worth_nothing(victim: Visitor) -> None:
    verdict, got, reason = press(victim, "Nothing left out", LEAK)
    assert (verdict, got, reason) == ("refused", [], SHUT)


def test_without_origin_a_leaked_token_opens_the_chat(victim: Visitor) -> None:
    """By key: the page opens the demo in a window, whose handshake leaks, and closes it."""
    before = forged(victim)
    line = press(victim, "Without Origin", LEAK, Keys.ENTER)
    assert line[:2] == ["hijacked", [STOLEN, SPOKEN]]
    assert victim.run("return document.activeElement.textContent") == "Without Origin"
    speaks_once(victim, before)


def test_sec_fetch_is_a_second_lock_where_the_engine_sends_it(victim: Visitor) -> None:
    verdict, _, reason = press(victim, "Without Origin, Sec-Fetch kept", LEAK)
    if victim.name == "chromium":
        assert verdict == "hijacked"
    else:
        assert "cross_site_fetch" in reason


def test_without_origin_and_token_the_cookies_are_enough(victim: Visitor) -> None:
    before = forged(victim)
    line = press(victim, "Without Origin and token", NOTHING)
    assert line[:2] == ["hijacked", [STOLEN, SPOKEN]]
    speaks_once(victim, before)


@pytest.mark.parametrize(
    ("shut", "reason", "opened", "given"),
    [
        (
            "Forged ticket, nothing left out",
            "ticket_invalid",
            "Forged ticket, its signature unchecked",
            OWN_KEY,
        ),
        (
            "Kept past logout, nothing left out",
            "session_ended",
            "Kept past logout, session unchecked",
            KEPT,
        ),
    ],
    ids=["ticket", "session"],
)
def test_an_attacker_without_a_browser_needs_the_check_gone(
    victim: Visitor, shut: str, reason: str, opened: str, given: str
) -> None:
    assert reason in press(victim, shut, given)[2]
    assert press(victim, opened, given)[:2] == ["hijacked", [STOLEN]]


def test_origin_stands_alone_without_the_token(victim: Visitor) -> None:
    assert press(victim, "Without token, Origin kept", NOTHING) == ["refused", [], SHUT]


def test_one_attack_at_a_time(victim: Visitor) -> None:
    """Who presses again meanwhile is told that nothing happens, and nothing happens."""
    states = victim.run(
        "var button = document.querySelector('[data-without=token]'), seen = [];"
        "for (var i = 0; i < 3; i++) {"
        "  seen.push(button.getAttribute('aria-disabled')); button.click();"
        "} return seen;"
    )
    assert states == ["false", "true", "true"]
    victim.wait("return document.querySelectorAll('#layers li').length")
    press(victim, "Without token, Origin kept", NOTHING)
    assert len(rows(victim, "layers")) == 2


def test_with_nobody_logged_in_there_is_nothing_to_steal(visitor: Visitor, demo: Demo) -> None:
    """The unguarded sockets open for nobody; the page says so, and where to log in."""
    visitor.go(demo.url)
    visitor.driver.delete_all_cookies()
    visitor.go(demo.url)
    visit_the_evil_page(visitor)
    nobody = "Nobody is logged in at the demo. Log in there"
    press(visitor, "Without Origin and token", NOTHING)
    for list_, times in (("unguarded", 2), ("layers", 1)):
        seen = [[verdict, got, note.strip()] for verdict, got, note in rows(visitor, list_)]
        assert seen == [["nothing to steal", [], nobody]] * times
    links = visitor.driver.find_elements("link text", "Log in there")
    assert [link.get_attribute("href") for link in links] == [demo.url] * 3
    visitor.forget()


@pytest.fixture
def chat(visitor: Visitor, tmp_path: Path, writing: bool) -> Iterator[Visitor]:
    """Return alice in a chat nobody has hijacked yet, who has said good morning.

    Another site knocked once, in vain.
    """
    ports = (5000, 5001) if writing else (0, 0)
    with demo_site.running(tmp_path, ports=ports) as demo:
        visitor.go(demo.url)
        visitor.driver.delete_all_cookies()
        log_in(visitor, demo)
        text = visitor.driver.find_element("id", "text")
        for line in ("Good morning!", "Shall we meet at nine?"):
            text.send_keys(line, Keys.ENTER)
            said = "return document.getElementById('log').textContent.indexOf(arguments[0]) >= 0"
            visitor.wait(said, line)
        knock(demo.port, b"https://evil.example")
        visitor.wait("return document.querySelector('#verdicts .no')")
        visitor.wait("return /1 person/.test(document.getElementById('ticker').textContent)")
        yield visitor
        visitor.forget()


def knock(port: int, origin: bytes) -> None:
    """Try the chat as a page of this origin would, and be refused."""
    attempt = Attempt(port, b"/chat")
    attempt.put(b"Origin", origin)
    with Wire(port) as wire:
        wire.send(attempt.bytes())
        assert wire.answer().status == 403


def test_the_pages_fit_the_screen(chat: Visitor, writing: bool) -> None:
    """The chat, and the lab with two layers tried, one of them in vain."""
    fits(chat, "demo", writing)
    visit_the_evil_page(chat)
    press(chat, "Nothing left out", LEAK)
    press(chat, "Without Origin", LEAK)
    fits(chat, "lab", writing)


def fits(visitor: Visitor, name: str, writing: bool) -> None:
    """Nothing sticks out to the right, nor on a phone; the suite takes its pictures here."""
    for size in pictures.SIZES:
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
        "return Array.prototype.map.call(document.querySelectorAll('a, button'),"
        "function (one) { return one.textContent; })"
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

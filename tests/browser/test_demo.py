"""The demo in each engine: its whole flow, and what a keyboard does on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser import demo_site
from tests.browser.demo_site import Demo
from tests.browser.flow import FLOW, HEARD, STATES
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture
def guest(visitor: Visitor, tmp_path: Path) -> Iterator[Visitor]:
    """Return somebody on the login page of a demo of their own."""
    with demo_site.running(tmp_path) as demo:
        visitor.go(demo.url)
        visitor.driver.delete_all_cookies()
        visitor.go(demo.url)
        yield visitor
        visitor.forget()


def log_in(visitor: Visitor) -> None:
    """Log in as alice, and wait until the chat is connected."""
    visitor.run("document.querySelector('[value=alice]').click()")
    says(visitor, "state", "Connected")


def says(visitor: Visitor, id_: str, words: str) -> None:
    """Wait until an element of the page says so."""
    script = "return document.getElementById(arguments[0]).textContent.indexOf(arguments[1]) >= 0"
    visitor.wait(script, id_, words)


def press(visitor: Visitor, title: str) -> Any:
    """Press a button with the keyboard, and return it."""
    button = visitor.driver.find_element("xpath", f"//button[normalize-space()='{title}']")
    button.send_keys(Keys.ENTER)
    return button


@pytest.mark.evidence("the demo's whole flow, under its own policy")
def test_the_whole_flow(guest: Visitor) -> None:
    """Log in, talk, lose the connection, lose a scope and get it back, log out."""
    told = json.loads(guest.wait(f"{FLOW}\nreturn step();"))
    assert (told["states"], told["log"]) == (STATES, HEARD)


def test_a_pressed_button_keeps_the_focus(guest: Visitor) -> None:
    """A disabled one would lose it, and the next Tab start from the top of the page."""
    log_in(guest)
    for title, id_, words in (
        ("Drop the socket", "state", "trying again"),
        ("Remove chat:write", "note", "It counts from the next connection on"),
        ("End the session", "note", "Logged out, as in another tab"),
    ):
        button = press(guest, title)
        says(guest, id_, words)
        assert guest.driver.switch_to.active_element == button, title


def test_a_dropped_socket_is_not_dropped_again(visitor: Visitor, demo: Demo) -> None:
    """The button says that it does nothing while there is no connection, and does nothing."""
    visitor.go(demo.url)
    log_in(visitor)
    visitor.run("WSGuard.door.random = function () { return 1; }")
    drop = press(visitor, "Drop the socket")
    says(visitor, "state", "trying again")
    assert drop.get_attribute("aria-disabled") == "true"
    press(visitor, "Drop the socket")
    press(visitor, "Reconnect")
    says(visitor, "state", "Connected")
    assert drop.get_attribute("aria-disabled") == "false"
    # What a press had queued would have cut this connection as well.
    visitor.driver.find_element("id", "text").send_keys("still here", Keys.ENTER)
    says(visitor, "log", "still here")
    says(visitor, "state", "Connected")

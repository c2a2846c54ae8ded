"""The attack lab stays where it belongs: out of the ordinary demo, and on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from demo import create_app
from demo.door import LAYERS
from demo.lab import create_lab
from flask_wsguard.core.handshake import CHECKS

ROOT = Path(__file__).parents[1]


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setenv("PORT", "5000")
    monkeypatch.setenv("EVIL_PORT", "5001")
    return Client(create_lab())


def get(lab: Client, path: str, host: str = "localhost:5000", **environ: Any) -> Any:
    environ = {"SERVER_PORT": host.rpartition(":")[2], "REMOTE_ADDR": "127.0.0.1", **environ}
    return lab.get(path, headers={"Host": host}, environ_overrides=environ)


def test_the_ordinary_demo_has_no_lab() -> None:
    client = create_app().test_client()
    assert client.get("/lab/chat?without=all").status_code == 404
    assert "evil page" not in client.get("/").text


def test_the_lab_says_loudly_that_it_is_on(lab: Client, caplog: pytest.LogCaptureFixture) -> None:
    create_lab()
    assert "THE ATTACK LAB IS ON" in caplog.text


def test_the_demo_links_to_the_other_port(lab: Client) -> None:
    assert 'href="http://localhost:5001/?port=5000"' in get(lab, "/").text
    assert "The evil page" in get(lab, "/", "localhost:5001").text


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        pytest.param("evil.example:5000", "127.0.0.1", id="rebound name"),
        pytest.param("localhost:5000", "192.0.2.7", id="other machine"),
    ],
)
def test_the_lab_is_for_localhost(lab: Client, host: str, peer: str) -> None:
    answer = get(lab, "/lab/chat?without=all", host, REMOTE_ADDR=peer, SERVER_PORT="5000")
    assert (answer.status_code, answer.text) == (403, "The lab is for localhost.\n")


def test_with_nothing_left_out_the_lab_refuses(lab: Client) -> None:
    assert get(lab, "/lab/chat").text == "Refused.\n"


def test_an_unknown_layer_leaves_nothing_out(lab: Client) -> None:
    assert get(lab, "/lab/chat?without=everything,route").text == "Refused.\n"


def test_the_layers_are_checks_of_core() -> None:
    assert {check for layer in LAYERS.values() for check in layer} < set(CHECKS)


def test_nothing_on_the_evil_page_is_inline(lab: Client) -> None:
    page = get(lab, "/", "localhost:5001").text
    assert page.count("<script") == page.count('<script src="') == 1
    assert "style=" not in page

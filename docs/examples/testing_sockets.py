"""A site's own tests of its sockets, here of the quickstart's: no server, no browser."""

import pytest
from app import app  # yours

from flask_wsguard.testing import Accepted, Refused, assert_only_own_origin, connect, handshake

pytest_plugins = ["flask_wsguard.testing.plugin"]  # in your conftest.py


@pytest.fixture
def client():
    app.config["TESTING"] = True
    client = app.test_client()
    client.post("/login", data={"name": "alice"})
    return client


def test_who_may_open_it(client):
    assert handshake(client, "/echo") == Accepted("alice", frozenset())
    client.post("/logout")
    match handshake(client, "/echo"):
        case Refused(reason, at):
            assert (reason, at) == ("login_required", "preauth")


def test_what_it_says(client):
    with connect(client, "/echo") as socket:
        assert socket.receive() == "hello alice"
        socket.send("good morning")
        assert socket.receive() == "good morning"


def test_logout_closes_it(client):
    with connect(client, "/echo") as socket:
        client.post("/logout")
        assert socket.wait_closed().code == 4401


def test_no_other_page_opens_it(client):
    assert_only_own_origin(client, "/echo")


def test_with_the_fixture(wsguard_client):
    assert wsguard_client.handshake("/echo").user_id == "alice"
    wsguard_client.assert_only_own_origin("/echo")
    assert wsguard_client.connect("/echo").receive() == "hello alice"

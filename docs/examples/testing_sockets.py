"""A site's own tests of its sockets: no server, no browser."""

import pytest

from flask_wsguard.testing import Accepted, Refused, assert_only_own_origin, connect, handshake
from tests.sites import make_site

pytest_plugins = ["flask_wsguard.testing.plugin"]  # in your conftest.py


@pytest.fixture
def client():
    client = make_site().test_client()
    client.post("/login/alice")
    return client


def test_who_may_open_it(client):
    assert handshake(client, "/echo") == Accepted("alice", frozenset({"chat:read", "chat:write"}))
    client.post("/logout")
    match handshake(client, "/echo"):
        case Refused(reason, at):
            assert (reason, at) == ("login_required", "preauth")


def test_what_it_says(client):
    with connect(client, "/echo") as socket:
        assert socket.receive() == "alice alice"
        socket.send("hello")
        assert socket.receive() == "hello"


def test_logout_closes_it(client):
    with connect(client, "/echo") as socket:
        client.post("/logout")
        assert socket.wait_closed().code == 4401


def test_no_other_page_opens_it(client):
    assert_only_own_origin(client, "/echo")


def test_with_the_fixture(wsguard_client):
    assert wsguard_client.handshake("/echo").user_id == "alice"
    wsguard_client.assert_only_own_origin("/echo")
    assert wsguard_client.connect("/echo").receive() == "alice alice"

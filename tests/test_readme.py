"""README, client and configuration say the same as the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from flask_wsguard import Refusal, WSGuard
from flask_wsguard.settings import known_keys
from tests.visitor import Visitor

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLIENT = ROOT / "flask_wsguard" / "static"
CLIENTS_OWN = {
    "network", "timeout", "rate_limited", "server_error", "bad_response", "handshake_failed",
}  # fmt: skip


def words_between_marks(name: str) -> set[str]:
    text = (CLIENT / name).read_text(encoding="utf-8")
    listed = text.partition("/* reasons:begin */")[2].partition("/* reasons:end */")[0]
    return set(re.findall(r"'([a-z_]+)'", listed))


def test_readme_can_be_read_in_one_sitting() -> None:
    """It has at most a hundred lines."""
    assert len(README.splitlines()) <= 100


def test_readme_example_guards_a_socket() -> None:
    """The Python block, as it stands, refuses another origin and admits its own page."""
    block = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert block
    scope: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block[1], "README.md", "exec"), scope)
    assert isinstance(scope["guard"], WSGuard)
    visitor = Visitor(scope["app"])
    with visitor.client.session_transaction(base_url=visitor.base) as session:
        session["_user_id"] = "ann"
        session["_fresh"] = True
    assert visitor.connect(token=visitor.token()).ticket.user_id == "ann"
    foreign = visitor.connect(token=visitor.token(), headers={"Origin": "https://evil.example"})
    assert foreign.reason is Refusal.ORIGIN_NOT_ALLOWED


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_readme_names_the_commands_that_the_makefile_has(command: str) -> None:
    """Both commands stand in both files."""
    assert command in README
    assert f"\n{command.removeprefix('make ')}:" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_readme_names_only_settings_that_exist() -> None:
    """No WSGUARD_ key in any of the documents is unknown to the code."""
    documents = [README, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")]
    named = {key for text in documents for key in re.findall(r"WSGUARD_[A-Z_]+", text)}
    assert named <= set(known_keys())


def test_remedies_name_only_settings_that_exist() -> None:
    """No refusal sends its reader to a key that the code does not know."""
    named = {key for reason in Refusal for key in re.findall(r"WSGUARD_[A-Z_]+", reason.remedy)}
    assert named <= set(known_keys())


def test_readme_images_exist() -> None:
    """Every picture that the README shows is in the repository."""
    images = re.findall(r"!\[[^]]*\]\(([^)]+)\)", README)
    assert images
    assert [image for image in images if not (ROOT / image).is_file()] == []


def test_the_clients_types_list_every_reason() -> None:
    """wsguard.d.ts knows exactly the server's codes and the client's own."""
    assert words_between_marks("wsguard.d.ts") == {reason.value for reason in Refusal} | CLIENTS_OWN


def test_the_client_branches_on_no_word_that_nobody_says() -> None:
    """Each word in wsguard.js is the server's or the client's own."""
    words = words_between_marks("wsguard.js")
    assert words >= CLIENTS_OWN
    assert words <= {reason.value for reason in Refusal} | CLIENTS_OWN

"""How one setting is read. The settings' own tables were made at import; these are made here."""

from __future__ import annotations

import re
from typing import Any

import pytest

from flask_wsguard.readers import CARRIERS, ORIGINS, SECRETS, STORAGE, Reader, optional, text, whole


def fault(reader: Reader, value: Any) -> str:
    """Return the words in which a reader refuses a value."""
    with pytest.raises(ValueError, match=r".") as caught:
        reader.read(value)
    return str(caught.value)


def test_whole_number_has_both_its_bounds() -> None:
    """The least and the greatest are good, their neighbours are not."""
    reader = whole(2, 4)
    assert reader.meaning == "a whole number from 2 to 4"
    assert [reader.read(number) for number in (2, 3, 4)] == [2, 3, 4]
    for wrong in (1, 5, True, 3.0, "3", None):
        assert fault(reader, wrong) == f"must be a whole number from 2 to 4, not {wrong!r}"


def test_optional_is_the_same_or_none() -> None:
    """None stays None; all else is read as ever."""
    reader = optional(whole(2, 4))
    assert reader.meaning == "a whole number from 2 to 4, or None"
    assert reader.read(None) is None
    assert reader.read(3) == 3
    assert fault(reader, 0) == "must be a whole number from 2 to 4, not 0"


def test_text_matches_from_end_to_end() -> None:
    """A pattern that fits a part of it does not fit."""
    reader = text(re.compile("[a-c]+"), "letters up to c")
    assert reader.meaning == "letters up to c"
    assert reader.read("abc") == "abc"
    for wrong in ("abcd", "dabc", "abc\n", "", b"abc", None, 7):
        assert fault(reader, wrong) == f"must be letters up to c, not {wrong!r}"


@pytest.mark.parametrize(
    ("reader", "value", "words"),
    [
        pytest.param(
            ORIGINS, [], 'is empty: list the origins of your pages, or "self"', id="origins"
        ),
        pytest.param(CARRIERS, [], "is empty: a token must be able to travel", id="carriers"),
        pytest.param(
            SECRETS,
            [""],
            "must be a key, or a list of keys, newest first, none empty",
            id="secrets",
        ),
        pytest.param(STORAGE, 7, "must be a str or None", id="storage"),
    ],
)
def test_words_of_a_fault(reader: Reader, value: Any, words: str) -> None:
    """The sentence behind the setting's name, from its first word to its last."""
    assert fault(reader, value) == words


def test_only_a_redis_uri_needs_the_redis_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it a file is still a good store, and the fault says what to install."""
    asked: list[str] = []
    monkeypatch.setattr("flask_wsguard.readers.find_spec", asked.append)
    assert STORAGE.read("sqlite:///store.db") == "sqlite:///store.db"
    assert asked == []
    for uri in ("redis://localhost", "rediss://localhost", "unix:///run/redis.sock"):
        assert fault(STORAGE, uri) == "needs redis-py: pip install flask-wsguard[redis]"
    assert asked == ["redis"] * 3

"""The record of login sessions that ended."""

from __future__ import annotations

from flask_wsguard.ended import EndedSessions, digest_of


def test_end_is_held_for_an_hour_and_then_lapses() -> None:
    """As long as a socket may live, to the second."""
    ended = EndedSessions(3600.0)
    ended.add(digest_of("nonce"), now=1000.0)
    assert ended.holds("nonce", now=1000.0)
    assert ended.holds("nonce", now=4599.9)
    assert not ended.holds("nonce", now=4600.0)


def test_other_nonces_and_none_are_not_held() -> None:
    """A session without a nonce cannot be told from another of its user."""
    ended = EndedSessions(3600.0)
    assert not ended.holds("nonce", now=0.0)
    ended.add(digest_of("nonce"), now=0.0)
    assert not ended.holds("other", now=0.0)
    assert not ended.holds(None, now=0.0)


def test_record_keeps_no_nonce_in_the_clear() -> None:
    """A dump of the process shows a digest, not what a session cookie carries."""
    ended = EndedSessions(3600.0)
    ended.add(digest_of("nonce"), now=0.0)
    (key,) = ended._until
    assert key == "78377b525757b494427f89014f97d79928f3938d14eb51e20fb5dec9834eb304"


def test_record_forgets_what_lapsed() -> None:
    """It does not grow for ever: each logout drops those of an hour ago."""
    ended = EndedSessions(3600.0)
    for second in range(100):
        ended.add(digest_of(f"nonce {second}"), now=float(second))
    ended.add(digest_of("last"), now=3650.0)
    assert len(ended._until) == 50
    assert not ended.holds("nonce 50", now=3650.0)
    assert ended.holds("nonce 51", now=3650.0)


def test_end_that_is_recorded_again_keeps_no_other_for_ever() -> None:
    """One kept cookie that logs out again and again would let the record grow without end."""
    ended = EndedSessions(3600.0)
    for second in range(0, 36_000, 10):
        ended.add(digest_of("kept"), now=float(second))
        ended.add(digest_of(f"nonce {second}"), now=float(second))
    assert len(ended._until) == 361
    assert ended.holds("kept", now=36_000.0)


def test_surrogates_in_a_nonce_do_not_raise() -> None:
    """A session may hold any text that JSON can."""
    ended = EndedSessions(3600.0)
    ended.add(digest_of("\ud800"), now=0.0)
    assert ended.holds("\ud800", now=0.0)

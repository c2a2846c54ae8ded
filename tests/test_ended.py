"""The record of login sessions that ended."""

from __future__ import annotations

import time

from flask_wsguard.ended import EndedSessions, digest_of


class Clock:
    """A clock that stands where it is put."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_end_is_held_for_an_hour_and_then_lapses() -> None:
    """As long as a socket may live, to the second."""
    clock = Clock()
    ended = EndedSessions(3600.0, clock)
    clock.now = 1000.0
    ended.add(digest_of("nonce"))
    assert ended.holds("nonce")
    clock.now = 4599.9
    assert ended.holds("nonce")
    clock.now = 4600.0
    assert not ended.holds("nonce")


def test_clock_is_one_that_nobody_can_set() -> None:
    """One that ran ahead and is put right would let the old cookies in again."""
    assert EndedSessions(3600.0)._clock is time.monotonic


def test_other_nonces_and_none_are_not_held() -> None:
    """A session without a nonce cannot be told from another of its user."""
    ended = EndedSessions(3600.0)
    assert not ended.holds("nonce")
    ended.add(digest_of("nonce"))
    assert not ended.holds("other")
    assert not ended.holds(None)


def test_record_keeps_no_nonce_in_the_clear() -> None:
    """A dump of the process shows a digest, not what a session cookie carries."""
    ended = EndedSessions(3600.0)
    ended.add(digest_of("nonce"))
    (key,) = ended._until
    assert key == "78377b525757b494427f89014f97d79928f3938d14eb51e20fb5dec9834eb304"


def test_record_forgets_what_lapsed() -> None:
    """It does not grow for ever: each logout drops those of an hour ago."""
    clock = Clock()
    ended = EndedSessions(3600.0, clock)
    for second in range(100):
        clock.now = float(second)
        ended.add(digest_of(f"nonce {second}"))
    clock.now = 3650.0
    ended.add(digest_of("last"))
    assert len(ended._until) == 50
    assert not ended.holds("nonce 50")
    assert ended.holds("nonce 51")


def test_end_that_is_recorded_again_keeps_no_other_for_ever() -> None:
    """One kept cookie that logs out again and again would let the record grow without end."""
    clock = Clock()
    ended = EndedSessions(3600.0, clock)
    for second in range(0, 36_000, 10):
        clock.now = float(second)
        ended.add(digest_of("kept"))
        ended.add(digest_of(f"nonce {second}"))
    assert len(ended._until) == 361
    clock.now = 36_000.0
    assert ended.holds("kept")


def test_surrogates_in_a_nonce_do_not_raise() -> None:
    """A session may hold any text that JSON can."""
    ended = EndedSessions(3600.0)
    ended.add(digest_of("\ud800"))
    assert ended.holds("\ud800")

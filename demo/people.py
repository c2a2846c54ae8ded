"""The two people who may log in, and what each of them may do."""

from __future__ import annotations

from dataclasses import dataclass, field

from flask_login import UserMixin

SCOPES = ("chat:read", "chat:write")


@dataclass(eq=False)
class Person(UserMixin):  # type: ignore[misc]
    """A user; ``scopes`` may change at any time, and counts from the next connection on."""

    id: str
    name: str
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))


def everybody() -> dict[str, Person]:
    """Return the site's users by id."""
    return {person.id: person for person in (Person("alice", "Alice"), Person("bob", "Bob"))}

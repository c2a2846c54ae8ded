"""Which keys are taken for placeholders, and that what ``secrets`` makes never is."""

from __future__ import annotations

import random
from base64 import b64encode, urlsafe_b64encode

import pytest

from flask_wsguard.ops.secret_keys import is_placeholder

PLACEHOLDERS = [
    "dev",
    "secret_key_for_my_app",
    "dev_secret_key_1234",
    "CHANGE_ME_CHANGE_ME",
    "your_secret_key_here",
    "default_secret_key",
    "super-secret-key",
    "SuperSecretKey123!",
    "changeme123456789",
    "dev-secret-2024-0711-8836-1942",
    "please-change-this-key",
    "hard to guess string",
    "thisisasecret",
    "you-will-never-guess",
    "change me: at least 32 random bytes",
    "the same key as on www.example.org",
    "<the output of: python -c 'import secrets; print(secrets.token_hex())'>",
    "aaaaaaaaaaaaaaaaaaaa",
    "acacacegegeg",
    "12345678901234567890",
    "0123456789abcdef",
    "192b9bdd22ab9ed4d12e236c78afcb9a393ec15f71bbf5dc987d54727823bcbf",
    '_5#y2L"F4Q8z\n\xec]/',
    "A0Zr98j/3yX R~XHH!jmN]LWX/,?RT",
]


@pytest.mark.parametrize("key", PLACEHOLDERS)
def test_placeholder_is_known(key: str) -> None:
    """What manuals and templates show, and what is typed to get on."""
    assert is_placeholder(key)


@pytest.mark.parametrize(
    "key",
    [
        "correct horse battery staple",
        "django-insecure-7v)k3j$w0z!qf9h2m@x5c8r",
        "bad cafe dead beef face feed fade",
        "secret-9f8b2ce1d0a7",
        "a-b-c-d-e",
    ],
)
def test_words_alone_make_no_placeholder(key: str) -> None:
    """Words of no template, a random tail, what hexadecimal digits spell, single letters."""
    assert not is_placeholder(key)


def test_what_secrets_makes_is_no_placeholder() -> None:
    """As token_hex, token_urlsafe and token_bytes spell it; the same draws at each run."""
    draw = random.Random(5)
    for size in (8, 16, 24, 32, 64):
        for _ in range(1000):
            made = draw.randbytes(size)
            keys = [made.hex()]
            if size >= 16:
                keys += [
                    urlsafe_b64encode(made).decode().rstrip("="),
                    b64encode(made).decode(),
                    made.decode("latin-1"),
                ]
            assert [key for key in keys if is_placeholder(key)] == []

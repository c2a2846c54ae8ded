"""The settings: every key good and bad, all faults in one message, the near match."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_wsguard import ConfigError
from flask_wsguard.settings import Settings, known_keys

KEY = "k" * 32


def read(**config: Any) -> Settings:
    return Settings.from_config({"SECRET_KEY": KEY, **config})


def faults(**config: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(**config)
    return caught.value.faults


def test_defaults_are_those_of_the_design() -> None:
    """What a site gets that sets nothing."""
    settings = read()
    assert {name: getattr(settings, name) for name in Settings.__dataclass_fields__} == {
        "allowed_origins": ("self",),
        "ticket_ttl": 30,
        "clock_skew": 5,
        "url_prefix": "/wsguard",
        "token_param": "wsguard_token",
        "cookie_name": "wsguard",
        "allow_insecure_transport": False,
        "recheck_session": True,
        "max_pending_tickets": 16,
        "allow_missing_origin": False,
        "secret_key": (KEY,),
        "enforce": True,
        "token_carriers": ("query",),
        "storage_uri": None,
        "single_use": False,
        "max_connection_age": 3600,
        "revalidate_every": None,
        "revalidate_failures": 3,
        "drain_seconds": 10,
        "max_connections": None,
        "max_connections_per_user": 20,
        "disconnect_on_logout": True,
    }


def test_settings_are_frozen() -> None:
    """Nothing changes them while requests are served."""
    with pytest.raises((FrozenInstanceError, AttributeError)):
        read().ticket_ttl = 5  # type: ignore[misc]


def test_known_keys_are_in_the_order_of_the_manual() -> None:
    """The keys that this version reads."""
    assert known_keys() == [
        "WSGUARD_ALLOWED_ORIGINS",
        "WSGUARD_TICKET_TTL",
        "WSGUARD_CLOCK_SKEW",
        "WSGUARD_URL_PREFIX",
        "WSGUARD_TOKEN_PARAM",
        "WSGUARD_COOKIE_NAME",
        "WSGUARD_ALLOW_INSECURE_TRANSPORT",
        "WSGUARD_RECHECK_SESSION",
        "WSGUARD_MAX_PENDING_TICKETS",
        "WSGUARD_ALLOW_MISSING_ORIGIN",
        "WSGUARD_SECRET_KEY",
        "WSGUARD_ENFORCE",
        "WSGUARD_TOKEN_CARRIERS",
        "WSGUARD_STORAGE_URI",
        "WSGUARD_SINGLE_USE",
        "WSGUARD_MAX_CONNECTION_AGE",
        "WSGUARD_REVALIDATE_EVERY",
        "WSGUARD_REVALIDATE_FAILURES",
        "WSGUARD_DRAIN_SECONDS",
        "WSGUARD_MAX_CONNECTIONS",
        "WSGUARD_MAX_CONNECTIONS_PER_USER",
        "WSGUARD_DISCONNECT_ON_LOGOUT",
    ]


GOOD: list[tuple[str, Any, Any]] = [
    ("ALLOWED_ORIGINS", "https://example.org", ("https://example.org",)),
    ("ALLOWED_ORIGINS", "self", ("self",)),
    ("ALLOWED_ORIGINS", ["self", "https://*.example.org"], ("self", "https://*.example.org")),
    ("ALLOWED_ORIGINS", {"self"}, ("self",)),
    ("ALLOWED_ORIGINS", frozenset({"self"}), ("self",)),
    ("TICKET_TTL", 1, 1),
    ("TICKET_TTL", 54, 54),
    ("CLOCK_SKEW", 0, 0),
    ("CLOCK_SKEW", 29, 29),
    ("URL_PREFIX", "/ws/guard-1", "/ws/guard-1"),
    ("TOKEN_PARAM", "t", "t"),
    ("COOKIE_NAME", "My-App_1", "My-App_1"),
    ("RECHECK_SESSION", False, False),
    ("MAX_PENDING_TICKETS", 1, 1),
    ("MAX_PENDING_TICKETS", 50, 50),
    ("ALLOW_MISSING_ORIGIN", True, True),
    ("SECRET_KEY", "one", ("one",)),
    ("SECRET_KEY", b"one", (b"one",)),
    ("SECRET_KEY", ["new", "old"], ("new", "old")),
    ("SECRET_KEY", None, (KEY,)),
    ("ENFORCE", False, False),
    ("TOKEN_CARRIERS", ("query",), ("query",)),
    ("TOKEN_CARRIERS", ["subprotocol"], ("subprotocol",)),
    ("TOKEN_CARRIERS", {"subprotocol", "query"}, ("query", "subprotocol")),
    ("STORAGE_URI", None, None),
    ("STORAGE_URI", "sqlite:////run/app/wsguard.db", "sqlite:////run/app/wsguard.db"),
    ("STORAGE_URI", "redis://localhost:6379/0", "redis://localhost:6379/0"),
    ("STORAGE_URI", "rediss://u:p@cache.example:6380/1", "rediss://u:p@cache.example:6380/1"),
    ("STORAGE_URI", "unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=0"),
    ("SINGLE_USE", True, True),
    ("MAX_CONNECTION_AGE", 1, 1),
    ("MAX_CONNECTION_AGE", 604800, 604800),
    ("REVALIDATE_EVERY", None, None),
    ("REVALIDATE_EVERY", 60, 60),
    ("REVALIDATE_FAILURES", 1, 1),
    ("DRAIN_SECONDS", 0, 0),
    ("MAX_CONNECTIONS", None, None),
    ("MAX_CONNECTIONS", 90, 90),
    ("MAX_CONNECTIONS_PER_USER", 1, 1),
    ("DISCONNECT_ON_LOGOUT", False, False),
]


@pytest.mark.parametrize(
    ("key", "given", "kept"),
    GOOD,
    ids=[f"{key}-{given!a}".replace("\\", "") for key, given, _ in GOOD],
)
def test_good_value(key: str, given: Any, kept: Any) -> None:
    """What the table of the design allows."""
    assert getattr(read(**{f"WSGUARD_{key}": given}), key.lower()) == kept


BAD: list[tuple[str, Any, str]] = [
    ("STORAGE_URI", 5, "must be a str or None"),
    ("STORAGE_URI", "", "starts with sqlite://, redis://, rediss:// or unix://"),
    ("STORAGE_URI", "memcached://localhost", "starts with sqlite://"),
    ("STORAGE_URI", "sqlite://", "names no file"),
    ("STORAGE_URI", "redis://[::1", "is not a URI"),
    ("SINGLE_USE", 1, "must be True or False, not 1"),
    ("MAX_CONNECTION_AGE", None, "must be a whole number from 1 to 604800, not None"),
    ("MAX_CONNECTION_AGE", 0, "from 1 to 604800, not 0"),
    ("REVALIDATE_EVERY", 0, "from 1 to 86400, not 0"),
    ("REVALIDATE_FAILURES", 0, "from 1 to 100, not 0"),
    ("DRAIN_SECONDS", -1, "from 0 to 600, not -1"),
    ("MAX_CONNECTIONS", 0, "from 1 to 1000000, not 0"),
    ("MAX_CONNECTIONS_PER_USER", None, "from 1 to 1000000, not None"),
    ("DISCONNECT_ON_LOGOUT", None, "must be True or False, not None"),
    ("ALLOWED_ORIGINS", [], "is empty"),
    ("ALLOWED_ORIGINS", (), "is empty"),
    ("ALLOWED_ORIGINS", None, "must be a list or tuple, not None"),
    ("ALLOWED_ORIGINS", 5, "must be a list or tuple, not 5"),
    ("ALLOWED_ORIGINS", {"self": 1}, "must be a list or tuple"),
    ("ALLOWED_ORIGINS", ["self", 5], "holds 5, which is not a str"),
    ("ALLOWED_ORIGINS", ["self", None], "holds None, which is not a str"),
    ("ALLOWED_ORIGINS", ["self", ""], "an entry is empty"),
    ("ALLOWED_ORIGINS", "*", "would let any page in"),
    ("ALLOWED_ORIGINS", ["null"], "would let any page in"),
    ("ALLOWED_ORIGINS", "self, https://example.org", "an origin's scheme is http or https"),
    ("ALLOWED_ORIGINS", ["https://*.com"], "covers a whole top-level domain"),
    ("ALLOWED_ORIGINS", ["https://example.org/"], "without path or slash"),
    ("ALLOWED_ORIGINS", ["example.org"], "has no scheme"),
    ("ALLOWED_ORIGINS", ["https://b\u00fccher.example"], "punycode"),
    ("TICKET_TTL", 0, "must be a whole number from 1 to 59, not 0"),
    ("TICKET_TTL", 60, "from 1 to 59, not 60"),
    ("TICKET_TTL", -5, "from 1 to 59"),
    ("TICKET_TTL", 30.0, "must be a whole number"),
    ("TICKET_TTL", "30", "must be a whole number"),
    ("TICKET_TTL", True, "must be a whole number"),
    ("TICKET_TTL", None, "must be a whole number"),
    ("CLOCK_SKEW", -1, "from 0 to 58"),
    ("CLOCK_SKEW", 59, "from 0 to 58"),
    ("CLOCK_SKEW", False, "must be a whole number"),
    ("URL_PREFIX", "", "must be a path such as /wsguard"),
    ("URL_PREFIX", "/", "must be a path such as /wsguard"),
    ("URL_PREFIX", "wsguard", "must be a path such as /wsguard"),
    ("URL_PREFIX", "/wsguard/", "without a slash at its end"),
    ("URL_PREFIX", "/ws guard", "must be a path"),
    ("URL_PREFIX", "/<int:x>", "must be a path"),
    ("URL_PREFIX", "/wsguard\n", "must be a path"),
    ("URL_PREFIX", None, "must be a path"),
    ("TOKEN_PARAM", "", "letters, digits, - and _"),
    ("TOKEN_PARAM", "a=b", "letters, digits, - and _"),
    ("TOKEN_PARAM", "t\n", "letters, digits, - and _"),
    ("TOKEN_PARAM", 5, "letters, digits, - and _"),
    ("COOKIE_NAME", "a;b", "letters, digits, - and _"),
    ("COOKIE_NAME", "caf\u00e9", "letters, digits, - and _"),
    ("COOKIE_NAME", "", "letters, digits, - and _"),
    ("ALLOW_INSECURE_TRANSPORT", "False", "must be True or False, not 'False'"),
    ("RECHECK_SESSION", 0, "must be True or False, not 0"),
    ("RECHECK_SESSION", None, "must be True or False"),
    ("MAX_PENDING_TICKETS", 0, "from 1 to 50"),
    ("MAX_PENDING_TICKETS", 51, "from 1 to 50"),
    ("ALLOW_MISSING_ORIGIN", "yes", "must be True or False"),
    ("SECRET_KEY", "", "must be a key, or a list of keys"),
    ("SECRET_KEY", [], "must be a key, or a list of keys"),
    ("SECRET_KEY", ["a", ""], "none empty"),
    ("SECRET_KEY", ["a", None], "none empty"),
    ("SECRET_KEY", 5, "must be a key, or a list of keys"),
    ("ENFORCE", "0", "must be True or False"),
    ("TOKEN_CARRIERS", (), "is empty"),
    ("TOKEN_CARRIERS", "subprotocol", "must be a list or tuple, not 'subprotocol'"),
    ("TOKEN_CARRIERS", None, "must be a list or tuple, not None"),
    ("TOKEN_CARRIERS", ["query", "header"], "holds 'header': the carriers are ('query', "),
    ("TOKEN_CARRIERS", [["query"]], "holds ['query']"),
]


@pytest.mark.parametrize(
    ("key", "given", "says"),
    BAD,
    ids=[f"{key}-{given!a}".replace("\\", "") for key, given, _ in BAD],
)
def test_bad_value_is_named_with_its_key(key: str, given: Any, says: str) -> None:
    """One fault, that begins with the key and says what would be good."""
    (fault,) = faults(**{f"WSGUARD_{key}": given})
    assert fault.startswith(f"WSGUARD_{key} ")
    assert says in fault


def test_secret_keys_in_a_set_have_no_newest() -> None:
    """Newest first needs an order, and a set has none: workers would sign with different keys."""
    (fault,) = faults(WSGUARD_SECRET_KEY={"one", "two"})
    assert fault.startswith("WSGUARD_SECRET_KEY ")


# The site's own secrets.


def test_site_secret_with_its_fallbacks() -> None:
    """Newest first, as Flask orders them."""
    assert read(SECRET_KEY_FALLBACKS=["old", "older"]).secret_key == (KEY, "old", "older")
    assert read(SECRET_KEY_FALLBACKS=None).secret_key == (KEY,)
    assert read(SECRET_KEY_FALLBACKS=["old"], WSGUARD_SECRET_KEY="own").secret_key == ("own",)


@pytest.mark.parametrize("secret", [None, "", b""])
def test_missing_site_secret_says_how_to_make_one(secret: Any) -> None:
    """Tickets must be signed."""
    (fault,) = faults(SECRET_KEY=secret)
    assert fault == (
        "SECRET_KEY is not set: tickets must be signed. Set it before init_app, for example "
        'to the output of python -c "import secrets; print(secrets.token_hex())"'
    )


def test_own_secret_needs_no_site_secret() -> None:
    """A key of the guard's own is enough."""
    assert read(SECRET_KEY=None, WSGUARD_SECRET_KEY="own").secret_key == ("own",)


@pytest.mark.parametrize(
    "fallbacks", [[""], [None], [5], 5], ids=["empty", "none", "number", "no-list"]
)
def test_bad_fallbacks_are_a_config_error(fallbacks: Any) -> None:
    """All faults of the configuration are one ConfigError, whoever's key it is."""
    (fault,) = faults(SECRET_KEY_FALLBACKS=fallbacks)
    assert fault.startswith("SECRET_KEY_FALLBACKS ")


def test_fallbacks_written_as_one_str_are_not_its_letters() -> None:
    """``SECRET_KEY_FALLBACKS = "old"`` would accept tickets signed with the one letter o."""
    (fault,) = faults(SECRET_KEY_FALLBACKS="old")
    assert fault == "SECRET_KEY_FALLBACKS must be a list of keys, none empty"


def test_site_secret_of_another_type_is_a_config_error() -> None:
    """A number is no key."""
    (fault,) = faults(SECRET_KEY=12345)
    assert fault == "SECRET_KEY must be a str or bytes"


# Contradictions, unknown keys, all at once.


@pytest.mark.parametrize(("ttl", "skew"), [(55, 5), (59, 1), (30, 30), (2, 58)])
def test_life_of_a_minute_is_too_long(ttl: int, skew: int) -> None:
    """A ticket lives under a minute, its leeway included."""
    (fault,) = faults(WSGUARD_TICKET_TTL=ttl, WSGUARD_CLOCK_SKEW=skew)
    assert fault == "WSGUARD_TICKET_TTL + WSGUARD_CLOCK_SKEW is 60 seconds: together at most 59"


@pytest.mark.parametrize(("ttl", "skew"), [(54, 5), (59, 0), (1, 58)])
def test_life_under_a_minute_is_good(ttl: int, skew: int) -> None:
    """59 seconds together are the most."""
    assert read(WSGUARD_TICKET_TTL=ttl, WSGUARD_CLOCK_SKEW=skew).ticket_ttl == ttl


def test_insecure_transport_with_self_needs_trusted_hosts() -> None:
    """DNS rebinding makes Host and Origin agree on the attacker's name."""
    (fault,) = faults(WSGUARD_ALLOW_INSECURE_TRANSPORT=True)
    assert 'WSGUARD_ALLOW_INSECURE_TRANSPORT with "self"' in fault
    assert fault == (
        'WSGUARD_ALLOW_INSECURE_TRANSPORT with "self" trusts whatever Host says: '
        "set TRUSTED_HOSTS, or list the origins in WSGUARD_ALLOWED_ORIGINS"
    )
    assert read(WSGUARD_ALLOW_INSECURE_TRANSPORT=True, TRUSTED_HOSTS=["lan.example"])
    assert read(
        WSGUARD_ALLOW_INSECURE_TRANSPORT=True, WSGUARD_ALLOWED_ORIGINS=["http://lan.example"]
    )


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("WSGUARD_ALLOWED_ORIGIN", "did you mean WSGUARD_ALLOWED_ORIGINS?"),
        ("WSGUARD_TICKET_TTI", "did you mean WSGUARD_TICKET_TTL?"),
        ("WSGUARD_RECHECK_SESION", "did you mean WSGUARD_RECHECK_SESSION?"),
        ("WSGUARD_ENFORCED", "did you mean WSGUARD_ENFORCE?"),
        ("WSGUARD_XYZZY", "no such setting"),
    ],
)
def test_unknown_key_names_the_near_match(key: str, hint: str) -> None:
    """A mistyped key would leave its default in force, silently."""
    (fault,) = faults(**{key: True})
    assert fault == f"{key} is unknown: {hint}"


def test_keys_of_others_are_none_of_ours() -> None:
    """Flask's and other extensions' keys pass unread."""
    assert read(WSGUARDIAN=1, wsguard_enforce=False, DEBUG=True).enforce is True


def test_all_faults_stand_in_one_message() -> None:
    """One restart mends them all."""
    with pytest.raises(ConfigError) as caught:
        Settings.from_config(
            {
                "WSGUARD_TICKET_TTL": 0,
                "WSGUARD_ALLOWED_ORIGINS": ["*"],
                "WSGUARD_ENFORCE": "no",
                "WSGUARD_TOKEN_PARAMS": "t",
                "WSGUARD_ALLOW_INSECURE_TRANSPORT": True,
                "WSGUARD_CLOCK_SKEW": 58,
            }
        )
    lines = str(caught.value).splitlines()
    assert lines[0] == "flask_wsguard is not configured:"
    assert [re.split(r"[ :]", line[2:])[0] for line in lines[1:]] == [
        "WSGUARD_TOKEN_PARAMS",
        "WSGUARD_ALLOWED_ORIGINS",
        "WSGUARD_TICKET_TTL",
        "WSGUARD_ENFORCE",
        "SECRET_KEY",
        "WSGUARD_TICKET_TTL",
        "WSGUARD_ALLOW_INSECURE_TRANSPORT",
    ]
    assert isinstance(caught.value, ValueError)
    assert len(caught.value.faults) == 7


VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9), st.binary()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=2),
    ),
    max_leaves=5,
)
NEARLY = st.sampled_from(
    ["self", "https://example.org", "https://*.example.org", "sqlite:///x.db", "redis://[::1]"]
)


@given(st.sampled_from(known_keys()), st.one_of(VALUES, NEARLY, st.lists(NEARLY)))
def test_any_value_is_good_or_a_fault_of_its_key(key: str, value: Any) -> None:
    """Never another exception, and never a fault that leaves its reader to guess the key."""
    found: tuple[str, ...] = ()
    try:
        settings = read(**{key: value})
    except ConfigError as error:
        found = error.faults
        says = str(error)
    if found:
        assert all(key in fault and fault in says for fault in found)
    else:
        assert settings.ticket_ttl + settings.clock_skew <= 59
        assert not {"*", "null"} & set(settings.allowed_origins)

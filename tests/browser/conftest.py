"""One world of servers for all tests, one browser at a time, and a fresh visitor for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest

from tests.browser import demo_site, evidence, front
from tests.browser.attacks import ATTACKS
from tests.browser.demo_site import Demo
from tests.browser.engines import ENGINES, started
from tests.browser.front import HOSTS, World
from tests.browser.visitor import Visitor

_ATTACKS = pytest.StashKey[evidence.Results]()
_PASSED = pytest.StashKey[evidence.Results]()
_VERSIONS = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-evidence", action="store_true", help="write docs/evidence.md")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "evidence(row): stands in docs/evidence.md when it passes")
    config.stash[_ATTACKS], config.stash[_PASSED], config.stash[_VERSIONS] = {}, {}, {}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with front.running(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with demo_site.running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture(scope="session", params=ENGINES)
def engine(
    request: pytest.FixtureRequest, world: World, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    """Each of the three engines; pytest runs all tests of one before it starts the next."""
    folder = tmp_path_factory.mktemp(request.param)
    with started(request.param, folder, world.ca, HOSTS) as driver:
        version = driver.capabilities["browserVersion"]
        request.config.stash[_VERSIONS][request.param] = version
        yield Visitor(request.param, driver, world)


@pytest.fixture
def visitor(engine: Visitor) -> Visitor:
    """Return somebody whose browser holds no cookies, in a world that behaves."""
    engine.forget()
    engine.world.tell()
    engine.world.verdicts()
    engine.seen, engine.page_reason = [], ""
    return engine


@pytest.fixture
def alice(visitor: Visitor) -> Visitor:
    """Return alice, logged in, on the site's own page."""
    visitor.go(visitor.world.https(path="/page"))
    visitor.log_in()
    visitor.go(visitor.world.https(path="/page"))
    return visitor


@pytest.fixture
def verdict(request: pytest.FixtureRequest) -> Callable[[str, str, str], None]:
    """Return what writes a verdict down, and compares it with docs/evidence.md."""

    def note(row: str, column: str, seen: str) -> None:
        request.config.stash[_ATTACKS].setdefault(row, {})[column] = seen
        if not request.config.getoption("--write-evidence", default=False):
            assert evidence.read().get(row, {}).get(column) == seen, "docs/evidence.md is stale"

    return note


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note which tests of the client and of the old engines passed."""
    report = yield
    if report.when == "call" and report.passed and (row := item.get_closest_marker("evidence")):
        engine = getattr(item, "callspec", None)
        seen = dict(item.user_properties).get("evidence", "passes")
        column = engine.params["engine"] if engine else "verdict"
        item.config.stash[_PASSED].setdefault(row.args[0], {})[column] = seen
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if config.getoption("--write-evidence", default=False) and exitstatus == pytest.ExitCode.OK:
        if set(config.stash[_ATTACKS]) != {attack.name for attack in ATTACKS}:
            raise pytest.UsageError("only a run of the whole suite writes docs/evidence.md")
        passed, versions = config.stash[_PASSED], config.stash[_VERSIONS]
        evidence.write(
            config.stash[_ATTACKS],
            {row: cells for row, cells in passed.items() if "verdict" not in cells},
            {row: cells for row, cells in passed.items() if "verdict" in cells},
            date=datetime.now(timezone.utc).date().isoformat(),
            versions=[f"{engine} {version}" for engine, version in versions.items()],
        )

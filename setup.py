"""The package's metadata, all of it, and a source archive whose bytes depend on the files alone."""

import gzip
import os
import tarfile
import time
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

ROOT = Path(__file__).parent
# A source archive comes without the repository's date: builds from it keep the one they are given.
MADE_AT = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))


class ReproducibleSdist(sdist):
    """Neither clock, nor owner, nor umask of whoever builds goes into the archive."""

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        """Write ``base_dir`` to ``base_name``.tar.gz, sorted, all dates SOURCE_DATE_EPOCH."""
        target = f"{base_name}.tar.gz"
        files = sorted(path for path in Path(base_dir).rglob("*") if path.is_file())
        with (
            open(target, "wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=MADE_AT) as packed,
            tarfile.open(mode="w", fileobj=packed, format=tarfile.PAX_FORMAT) as archive,
        ):
            for path in files:
                member = tarfile.TarInfo(path.as_posix())
                member.size, member.mtime = path.stat().st_size, MADE_AT
                member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
                with path.open("rb") as content:
                    archive.addfile(member, content)
        return target


setup(
    cmdclass={"sdist": ReproducibleSdist},
    name="flask-wsguard",
    version="0.1.0",
    description="CSRF protection for the WebSockets of Flask apps: checked before the upgrade.",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="BSD-3-Clause",
    license_files=["LICENSE"],
    keywords="flask websocket csrf cswsh security flask-sock",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Web Environment",
        "Framework :: Flask",
        "Intended Audience :: Developers",
        "Operating System :: OS Independent",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Internet :: WWW/HTTP",
        "Topic :: Security",
        "Typing :: Typed",
    ],
    packages=find_packages(include=["flask_wsguard", "flask_wsguard.*"]),
    package_data={"flask_wsguard": ["py.typed", "static/wsguard.js", "static/wsguard.d.ts"]},
    zip_safe=False,
    python_requires=">=3.10",
    install_requires=[
        "flask>=3.1.1",
        "flask-login>=0.6.3",
        "flask-sock>=0.7.0",
        "simple-websocket>=1.0.0",
        "itsdangerous>=2.2.0",
    ],
    entry_points={"flask.commands": ["wsguard = flask_wsguard.ops.cli:wsguard"]},
    extras_require={
        "redis": ["redis>=5.0"],
        "metrics": ["prometheus-client>=0.20"],
        "client": ["requests>=2.31", "websocket-client>=1.7"],
    },
)

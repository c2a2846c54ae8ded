"""``python -m benchmarks [--smoke] [--into FOLDER] [NAME ...]``: measure, print, write."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from pathlib import Path

from . import report
from .blocks import SMOKE, Scale
from .figures import Table
from .servers import pin_client

NAMES = ("check", "handshake", "peers", "preauth", "flood", "hold", "growth", "storm")


def main(arguments: list[str]) -> None:
    """Run the named benchmarks, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it still run?")
    parser.add_argument("--into", type=Path, help="where to write performance.{md,json,svg}")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    # A log line a refusal is counted, not written, on a site; here nobody reads them.
    logging.getLogger("flask_wsguard").setLevel(logging.CRITICAL)
    pin_client()
    scale = SMOKE if given.smoke else Scale()
    tables = list[Table]()
    for name in given.names or NAMES:
        for table in importlib.import_module(f"benchmarks.{name}").run(scale):
            print(report.section(table), flush=True)
            tables.append(table)
        # After each: what comes later may fail, and half an hour of measuring is not to be lost.
        if given.into:
            report.write(tables, scale, given.into)
    if given.into:
        print(f"wrote {given.into}/performance.md, .json, .svg")


if __name__ == "__main__":
    main(sys.argv[1:])

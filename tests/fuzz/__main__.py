"""Fuzz, guided by coverage: ``python -m tests.fuzz core|wsgi [libFuzzer's own options]``."""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType


def main(target: str, *options: str) -> None:
    """Fuzz one target until libFuzzer's options say stop; a broken contract ends it at once."""
    import atheris

    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["flask_wsguard"]):
        harness: ModuleType = importlib.import_module(f"tests.fuzz.on_{target}")
    here = Path(__file__).parent
    corpus = here / "corpus" / target
    fixed = [f"-dict={here / 'dictionary.txt'}", "-max_len=4096", "-print_final_stats=1"]

    def one_input(data: bytes) -> None:
        harness.one_input(data)

    atheris.Setup([sys.argv[0], *fixed, *options, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])

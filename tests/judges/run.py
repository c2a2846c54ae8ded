"""Let wshawk judge the origins of a guarded gunicorn, and of the same site unguarded.

``python -m tests.judges.run PYTHON`` with the interpreter that has wshawk; part of ``make judges``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.servers.conftest import running

ADAPTER = Path(__file__).with_name("wshawk_origins.py")


def main(python: str) -> int:
    """Print both verdicts; 1 unless the guarded site refuses all and the other takes all."""
    with tempfile.TemporaryDirectory() as folder, running("gthread", Path(folder)) as server:
        guarded = _judge(python, server.port, "")
        control = _judge(python, server.port, "/control")
    for name, seen in (("guarded", guarded), ("unguarded", control)):
        said = f"{len(seen['accepted'])} of {seen['tested']} hostile origins accepted"
        print(f"wshawk, {name}: honest probe {seen['honest']}, {said}, errors {seen['errors']}")
    refuses = guarded["honest"] and not guarded["accepted"] and not guarded["errors"]
    return int(not (refuses and len(control["accepted"]) == control["tested"] > 100))


def _judge(python: str, port: int, prefix: str) -> dict[str, Any]:
    command = [python, str(ADAPTER), str(port), prefix]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

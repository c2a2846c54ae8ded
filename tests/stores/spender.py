"""A process that spends tokens: ``URI APP`` and then one token a line; answers 1 or 0 a line."""

from __future__ import annotations

import sys

from flask_wsguard.stores.uris import open_store

if __name__ == "__main__":
    store = open_store(sys.argv[1], sys.argv[2], kept_seconds=60, token_life=41)
    print("ready", flush=True)
    for line in sys.stdin:
        print(int(store.spend(line.strip(), 30)), flush=True)

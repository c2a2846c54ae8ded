"""The demo's whole flow, as every engine goes through it, modern or old."""

from __future__ import annotations

from pathlib import Path

FLOW = (Path(__file__).parent / "pages" / "flow.js").read_text(encoding="utf-8")
"""Defines ``step()``: one step a call, until it returns what it saw."""

STATES = [
    "Connected",
    "No connection (network), trying again",
    "Connected",
    "Refused: scope_missing. Give the scope back below, then reconnect.",
    "Connected",
    "Refused: login_required. Nobody is logged in here any more.",
]
"""What the page says of its connection: dropped, a scope lost and regained, logged out."""

HEARD = "Alice hello from ES5"

"""Floors: each module imports from below only, and each foreign library has one door."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path

import flask_wsguard
from flask_wsguard.settings import Settings

PACKAGE = Path(flask_wsguard.__file__).parent

# From the ground up. Modules of one floor do not know each other.
FLOORS: list[set[str]] = [
    {
        "core", "core.refusals", "core.origins", "core.signing", "core.upgrade", "core.pending",
        "core.storage", "core.carriers",
    },
    {"core.tickets"},
    {"core.source", "core.notices"},
    {"core.case"},
    {"core.handshake", "core.preauth"},
    {"errors", "signals", "readers", "locks"},
    {"settings"},
    {"cookies", "ended", "redaction", "servers", "sessions", "verdicts", "stores"},
    {
        "facts", "logins", "marks", "reports", "stores.memory", "stores.sqlite", "stores.redis",
    },
    {"identity"},
    {"stores.uris", "stores.watched"},
    {"live", "live.connection", "live.daemon", "live.outbox"},
    {"live.registry", "live.timer"},
    {"live.revalidation"},
    {"live.sockets"},
    {"live.bus"},
    {"state"},
    {"held"},
    {"gate", "grants", "disconnect", "neighbours"},
    {"views", "early"},
    {"hooks"},
    {"guard"},
    {"client", "testing.handshakes", "testing.running"},
    {"testing.attacks", "testing.sockets"},
    {"testing", "testing.plugin"},
    {
        "ops", "ops.addresses", "ops.gunicorn", "ops.inventory", "ops.knock", "ops.logs",
        "ops.metrics", "ops.same_site",
    },
    {"ops.explain", "ops.findings", "ops.routes", "ops.ticket", "ops.visit"},
    {"ops.attacks", "ops.late", "ops.secret_keys", "ops.serving", "ops.session_cookie"},
    {"ops.audit", "ops.probe"},
    {"ops.check"},
    {"ops.cli"},
    {""},
]  # fmt: skip
FLOOR_OF = {module: number for number, floor in enumerate(FLOORS) for module in floor}

# Who may import what is not ours. The rest is the standard library, below.
DOORS: dict[str, set[str]] = {
    "itsdangerous": {"core.signing"},
    "flask_login": {"logins"},
    "flask_sock": set(),
    "simple_websocket": set(),
    "blinker": {"signals", "reports"},
    "redis": {"stores.redis"},
    "gunicorn": {"ops.logs"},
    "wsproto": {"marks", "testing.running", "testing.sockets"},
    "pytest": {"testing.plugin"},
    "requests": {"client"},
    "websocket": {"client"},
    "prometheus_client": {"ops.metrics"},
}
NOT_IN_CORE = {
    "asyncio", "blinker", "ctypes", "datetime", "flask", "flask_login", "http", "io", "logging",
    "multiprocessing", "os", "pathlib", "queue", "random", "select", "shutil", "signal", "socket",
    "sqlite3", "ssl", "subprocess", "sys", "tempfile", "threading", "time", "werkzeug",
}  # fmt: skip


def name_of(path: Path) -> str:
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module: str, path: Path) -> set[str]:
    """Return what a module imports, wherever in it: ours with a dot in front."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if not node.level:
                found.add(node.module or "")
                continue
            base = package.split(".") if package else []
            base = base[: len(base) - node.level + 1]
            target = ".".join([*base, *([node.module] if node.module else [])])
            inside = {".".join([target, alias.name]).strip(".") for alias in node.names}
            ours = inside & set(MODULES)
            found |= {f".{name}" for name in ours}
            if inside - ours:
                found.add(f".{target}")
    return {
        name.replace("flask_wsguard", "", 1) if name.split(".")[0] == "flask_wsguard" else name
        for name in found
    }


IMPORTS = {module: imports_of(module, path) for module, path in MODULES.items()}


def test_every_module_has_a_floor_and_every_floor_its_modules() -> None:
    """A new file is put on a floor by somebody who thought about it."""
    assert set(MODULES) == set(FLOOR_OF)


def test_no_module_imports_from_its_own_floor_or_above() -> None:
    """A step upwards, or sideways, is a circle in the making."""
    steps = [
        f"{module or 'flask_wsguard'} imports {name}"
        for module, names in IMPORTS.items()
        for name in sorted(names)
        if name.startswith(".") and FLOOR_OF[name[1:]] >= FLOOR_OF[module]
    ]
    assert steps == []


def test_core_knows_no_flask_no_clock_and_no_io() -> None:
    """Rules as plain values: what decides can be run anywhere, at any time."""
    steps = [
        f"{module} imports {name}"
        for module, names in IMPORTS.items()
        if module.split(".")[0] == "core"
        for name in sorted(names)
        if name.split(".")[0] in NOT_IN_CORE or (name[0] == "." and not name.startswith(".core"))
    ]
    assert steps == []


def test_core_calls_neither_open_nor_print() -> None:
    """The two doors to the outside that need no import."""
    calls = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        if module.split(".")[0] == "core"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"open", "print", "input", "exec", "eval", "__import__"}
    ]
    assert calls == []


def test_each_foreign_library_has_one_door() -> None:
    """What one library's next version breaks is mended in one file."""
    for library, doors in DOORS.items():
        users = {
            module
            for module, names in IMPORTS.items()
            if library in {name.split(".")[0] for name in names}
        }
        assert users == doors, library


def test_nothing_else_foreign_is_imported() -> None:
    """Flask and what it brings, the requirements and extras, the standard library."""
    import sys

    known = {"flask", "werkzeug", "markupsafe", "itsdangerous", "flask_login", "blinker"}
    known |= {
        "click",
        "gunicorn",
        "prometheus_client",
        "pytest",
        "redis",
        "requests",
        "websocket",
        "wsproto",
    }
    foreign = {
        name.split(".")[0]
        for names in IMPORTS.values()
        for name in names
        if not name.startswith(".")
    }
    assert foreign - known <= set(sys.stdlib_module_names)


def test_init_holds_the_public_names_and_nothing_else() -> None:
    """A docstring, imports, ``__all__``."""
    docstring, *body = ast.parse(MODULES[""].read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert {type(node) for node in body} == {ast.ImportFrom, ast.Assign}
    assert len([node for node in body if isinstance(node, ast.Assign)]) == 1


def test_defaults_of_the_settings_stand_in_one_place() -> None:
    """A default that is not a plain small number or a flag occurs in no other module's code.

    Code, not documentation: docstrings may name ``/wsguard``.
    """
    defaults = {
        field.default
        for field in fields(Settings)
        if isinstance(field.default, str) and field.default != "wsguard"
    }
    elsewhere = [
        f"{module}:{node.lineno}: {node.value!r}"
        for module, path in MODULES.items()
        if module != "settings"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in defaults
    ]
    assert defaults == {"/wsguard", "wsguard_token"}
    assert elsewhere == []


def test_no_argument_named_like_a_setting_has_a_default_of_its_own() -> None:
    """``def build(ticket_ttl=30)`` would be the default's second place."""
    names = {field.name for field in fields(Settings)}
    # The three switches that core takes as facts of a policy; off, like the settings.
    known = {"core.source.allow_insecure_transport", "core.source.allow_missing_origin"}
    found = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                arguments = [*node.args.posonlyargs, *node.args.args]
                found |= {
                    f"{module}.{argument.arg}"
                    for argument in arguments[len(arguments) - len(node.args.defaults) :]
                    if argument.arg in names
                }
                found |= {
                    f"{module}.{argument.arg}"
                    for argument, default in zip(
                        node.args.kwonlyargs, node.args.kw_defaults, strict=True
                    )
                    if default is not None and argument.arg in names
                }
            elif isinstance(node, ast.AnnAssign) and node.value and module != "settings":
                if isinstance(node.target, ast.Name) and node.target.id in names:
                    found.add(f"{module}.{node.target.id}")
    assert found == known


def test_no_folder_is_kept_for_one_file() -> None:
    """A folder is made when it has two files to hold."""
    folders = {path.parent for path in MODULES.values()} - {PACKAGE}
    for folder in folders:
        assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) >= 2


def test_no_line_that_decides_is_kept_from_coverage() -> None:
    """Neither ``pragma: no cover`` nor a skipped check hides in the package."""
    for path in MODULES.values():
        assert not re.search(r"pragma:\s*no\s*(cover|branch)", path.read_text()), path

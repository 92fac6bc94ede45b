"""Fills the template: the one place that knows Jinja2."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bcd.report._process import process_pairs, tracer_text
from bcd.report._view import Detail, View
from bcd.report.page.errors import errors, headline, steps
from bcd.report.page.facts import charts
from bcd.report.page.sources import Sources
from bcd.report.page.texts import counted, plain_text, shown
from bcd.report.page.waits import circles, task_nodes, thread_groups
from bcd.report.text import plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bcd.report.html import Link
    from bcd.snapshot.model import Snapshot

__all__ = ["asset", "environment", "render"]

_HERE = Path(__file__).parents[1]
_KINDS = {
    "error": "Error",
    "request": "The program asked for this snapshot",
    "signal": "A signal asked for this snapshot",
    "dump": "Taken from outside while the process ran",
}


def render(snapshot: Snapshot, links: Sequence[Link]) -> str:
    """Write a snapshot as an HTML document, with links above it."""
    style, script = asset("base.css") + asset("page.css"), asset("page.js")
    template = environment(_HERE / "templates").get_template("page.html")
    return template.render(
        _content(snapshot),
        links=links,
        style=Markup(style),  # noqa: S704 - the package's own
        script=Markup(script),  # noqa: S704 - likewise
        policy=_policy(style, script),
    )


def _content(snapshot: Snapshot) -> Mapping[str, object]:
    chain = snapshot.exception
    sources = Sources(snapshot.sources)
    return {
        "snapshot": snapshot,
        "kind": _KINDS.get(snapshot.reason.kind, snapshot.reason.kind),
        "route": _route(snapshot),
        "head": None if chain is None else headline(chain.list[chain.root], chain.root),
        "steps": [] if chain is None else steps(chain),
        "errors": [] if chain is None else errors(chain, sources),
        "circles": circles(snapshot.deadlocks),
        "threads": thread_groups(snapshot.threads, sources),
        "tasks": task_nodes(snapshot.tasks, sources),
        "charts": charts(snapshot.process),
        "facts": process_pairs(snapshot.process),
        "taken": tracer_text(snapshot),
        "text": plain(snapshot, View(variables=Detail.FOLDED)).split("\n"),
    }


def _route(snapshot: Snapshot) -> str:
    told = snapshot.attributes
    method = told.get("http.request.method", told.get("http.method", ""))
    return f"{method} {told.get('http.route', told.get('url.path', ''))}".strip()


@cache
def environment(folder: Path) -> Environment:
    """Make what fills the templates of a folder: all that they put out is escaped."""
    made = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        finalize=plain_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["shown"] = shown
    made.globals["counted"] = counted
    return made


@cache
def asset(name: str) -> str:
    """Read a style or a script of the pages."""
    return (_HERE / "assets" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Allow this page's style and script, its icon, and nothing else."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {_hash(script)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types bcd",
        ]
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"

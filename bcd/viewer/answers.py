"""Answers: pages, documents, and what is said instead of them."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response

from bcd._version import __version__
from bcd.report.page.render import environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

__all__ = ["document", "filled", "page", "refusal", "wants_json"]

_TEMPLATES = Path(__file__).parent / "templates"


def filled(template: str, content: Mapping[str, object]) -> str:
    """Fill a template."""
    made = environment(_TEMPLATES).get_template(template)
    return made.render({"version": __version__, **content})


def page(text: str, status: int = HTTPStatus.OK) -> Response:
    """Answer with a page."""
    return HTMLResponse(text, status)


def document(content: object, status: int = HTTPStatus.OK) -> Response:
    """Answer with JSON, in ASCII so that no character in it can do harm."""
    text = json.dumps(content, separators=(",", ":"))
    return Response(text, status, media_type="application/json")


def wants_json(path: str) -> bool:
    """Tell whether a path is for programs."""
    return path.startswith("/api/") or path == "/health" or path.endswith(".json")


def refusal(request: Request, status: int, detail: str) -> Response:
    """Say what is wrong: as a page, or as RFC 9457 has it for programs."""
    title = HTTPStatus(status).phrase
    if wants_json(request.scope["path"]):
        content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        return Response(json.dumps(content), status, media_type="application/problem+json")
    content = {"title": title, "status": status, "detail": detail}
    return page(filled("refusal.html", content), status)

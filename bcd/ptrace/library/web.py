"""Requests, responses and their like of web frameworks: what tells the most, first."""

from __future__ import annotations

from bcd.ptrace.instances import text_of
from bcd.ptrace.library.forms import attribute, fields, form
from bcd.ptrace.objects import TypeInfo
from bcd.ptrace.redact import REDACTED

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.ptrace.calibrate.search import Search
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show


def _headers_of_environ(renderer: Renderer, _search: Search) -> Show:
    """Only what is a header of all that a WSGI server tells."""

    def headers(environ: int) -> Iterator[tuple[int, int]]:
        for key, value in renderer.entries(environ):
            if renderer.objects.name(key).startswith(("HTTP_", "CONTENT_")):
                yield key, value

    def show(address: int, info: TypeInfo, depth: int) -> str:
        found = list(headers(attribute(renderer, address, "environ")))
        return f"{info.short}({renderer.pairs(address, found, len(found), depth)})"

    return show


def _addresses(renderer: Renderer, _search: Search) -> Show:
    """An address of httpx, which keeps it in parts; who logs in is a secret."""

    def show(address: int, info: TypeInfo, _depth: int) -> str:
        parts = attribute(renderer, address, "_uri_reference")
        names = renderer.objects.sequence(renderer.objects.type_of(parts).marks["_fields"], 16)[0]
        items = renderer.objects.sequence(parts, 16)[0]
        none = renderer.objects.static(None)
        held = {
            renderer.objects.name(name): text_of(renderer, item) if item != none else ""
            for name, item in zip(names, items, strict=True)
        }
        return f"{info.short}({renderer.redactor.text(_joined(held))!r})"

    return show


def _joined(parts: dict[str, str]) -> str:
    scheme = f"{parts['scheme']}:" if parts["scheme"] else ""
    place = f"{REDACTED}@" if parts["userinfo"] else ""
    place += parts["host"] + (f":{parts['port']}" if parts["port"] else "")
    rest = f"?{parts['query']}" if parts["query"] else ""
    rest += f"#{parts['fragment']}" if parts["fragment"] else ""
    return f"{scheme}{f'//{place}' if place else ''}{parts['path']}{rest}"


_CONNECTION = fields(
    *("type", "method", "path", "query_string", "path_params", "client", "headers"),
    *("_json", "_form", "state"),
    holder="scope",
)

FIELDS: dict[str, Maker] = {
    "starlette.requests.HTTPConnection": _CONNECTION,
    "werkzeug.sansio.request.Request": fields(
        *("method", "path", "query_string", "view_args", "args", "form", "_cached_json"),
        *("remote_addr", "url_rule", "routing_exception", "headers"),
    ),
    "werkzeug.datastructures.headers.EnvironHeaders": _headers_of_environ,
    # What stands for the current request or application is named, never asked what it is.
    "werkzeug.local.LocalProxy": form("<LocalProxy of {_LocalProxy__wrapped}>"),
    "celery.app.task.Context": fields(
        *("id", "task", "args", "kwargs", "retries", "eta", "expires", "delivery_info"),
        *("hostname", "root_id", "parent_id", "group", "timelimit", "headers"),
    ),
    "httpx.Response": fields("status_code", "_request", "headers", "_content"),
    "httpx.Request": fields("method", "url", "headers", "_content"),
    "httpx.URL": _addresses,
}

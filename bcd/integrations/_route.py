"""The route's template of a request that Starlette or FastAPI dispatched.

Starlette is not imported: routes are known by what they carry. No route is asked to match,
which would run the program's converters; regular expressions are enough.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["route_template"]

_PARAMETER = re.compile(r"{([^{}]*)}")
_DEEPEST = 20  # mounts in mounts; ends a router that contains itself


def route_template(scope: Mapping[str, Any]) -> str | None:
    """The template under which the request was dispatched, mounts' templates put before it.

    Args:
        scope: The ASGI scope as it is after the dispatch.

    Returns:
        For example ``"/t/{tenant}/cart/{id}"``; None when nothing matched. The values of the
        parameters, which ``root_path`` holds under a mount, are never part of it.
    """
    router = scope.get("router")
    route = scope.get("route")
    if router is not None:
        found = _search(_routes_of(router), _path_below_root(scope), scope, _DEEPEST)
        if found is not None:
            return found or None
    return _path_of(route) or None


def _search(routes: Iterable[Any], path: str, scope: Mapping[str, Any], depth: int) -> str | None:
    for route in routes:
        if _is_target(route, path, scope):
            return _path_of(route)
        prefix, inner_routes = _inside(route)
        match = _prefix_pattern(prefix).match(path) if depth and inner_routes else None
        if match is None:
            continue
        inner = _search(inner_routes, path[match.end() :], scope, depth - 1)
        if inner is not None:
            return prefix + inner
    return None


def _is_target(route: Any, path: str, scope: Mapping[str, Any]) -> bool:
    """Whether the request ended at this route; older Starlettes name only its end point."""
    target = scope.get("route")
    if target is not None:
        return route is target
    endpoint = scope.get("endpoint")
    regex = getattr(route, "path_regex", None)
    if endpoint is None or regex is None or regex.match(path or "/") is None:
        return False
    return endpoint is getattr(route, "endpoint", None) or endpoint is getattr(route, "app", None)


def _inside(route: Any) -> tuple[str, Iterable[Any]]:
    """The template and the routes of a mount, a host (no template) or an included router.

    Source: fastapi/routing.py, 0.165: ``_IncludedRouter``; before, routers were copied.
    """
    included = getattr(route, "original_router", None)
    if included is None:
        return _path_of(route), _routes_of(route)
    prefix = getattr(getattr(route, "include_context", None), "prefix", "")
    return prefix if isinstance(prefix, str) else "", _routes_of(included)


@lru_cache(maxsize=256)
def _prefix_pattern(template: str) -> re.Pattern[str]:
    """What the paths begin with that lead into a mount with this template."""
    parts = _PARAMETER.split(template)
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [".*" if part.endswith(":path") else "[^/]+" for part in parts[1::2]]
    return re.compile("".join(parts) + "(?=/|$)", re.DOTALL)


def _path_below_root(scope: Mapping[str, Any]) -> str:
    path = str(scope.get("path", ""))
    root = str(scope.get("app_root_path", scope.get("root_path", "")))
    below = path.removeprefix(root)
    return below if below.startswith("/") or not below else path


def _routes_of(route: Any) -> Iterable[Any]:
    routes = getattr(route, "routes", None)
    return routes if isinstance(routes, (list, tuple)) else ()


def _path_of(route: Any) -> str:
    path = getattr(route, "path", "")
    return path if isinstance(path, str) else ""

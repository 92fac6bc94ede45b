"""The route's template of a request that Starlette or FastAPI dispatched.

Starlette is not imported: routes are known by what they carry. No route is asked to match,
which would run the program's converters; the regular expressions are enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["route_template"]

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
        template = _path_of(route)
        if _is_target(route, path, scope):
            return template
        rest = _rest(route, path)
        if rest is None or depth == 0:
            continue
        inner = _search(_routes_of(route), rest, scope, depth - 1)
        if inner is not None:
            return template + inner
    return None


def _is_target(route: Any, path: str, scope: Mapping[str, Any]) -> bool:
    """Whether the request ended at this route; older Starlettes name only its end point."""
    target = scope.get("route")
    if target is not None:
        return route is target
    endpoint = scope.get("endpoint")
    regex = getattr(route, "path_regex", None)
    if endpoint is None or getattr(route, "endpoint", None) is not endpoint or regex is None:
        return False
    return regex.match(path) is not None


def _rest(route: Any, path: str) -> str | None:
    """What is left of the path inside a mount; None where the path does not lead into it."""
    regex = getattr(route, "path_regex", None)
    if regex is None:  # a host, or a router included as it is: the path stays
        return path
    match = regex.match(path)
    if match is None or "path" not in regex.groupindex:
        return None
    return "/" + str(match["path"])


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

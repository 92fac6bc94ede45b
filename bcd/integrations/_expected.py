"""Which errors are expected: part of normal service, so that nobody wants a snapshot of them.

Frameworks' classes are known by name and never imported: a rule costs nothing in a program
without that framework, and a later integration adds its own lines to the table.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from bcd.engine import type_name
from bcd.scope import leaves
from bcd.settings import checked, ignored

if TYPE_CHECKING:
    from types import TracebackType

    from bcd.settings import Ignore

__all__ = ["Ignored", "is_expected"]

Rule: TypeAlias = Callable[[BaseException], bool]

_MOST_KNOWN = 256
_BELOW_A_SERVER = frozenset({"asyncio", "selectors", "socket", "socketserver", "ssl"})
_SERVERS = frozenset(
    {"daphne", "granian", "gunicorn", "hypercorn", "uvicorn", "waitress", "werkzeug", "wsgiref"}
)


class Ignored:
    """What the user does not want traced.

    Attributes:
        entries: The classes and names that it was made of.
    """

    __slots__ = ("_classes", "_known", "_names", "entries")

    def __init__(self, ignore: Ignore) -> None:
        self.entries: tuple[type[BaseException] | str, ...] = checked("ignore", ignore, ignored)
        self._classes = tuple(entry for entry in self.entries if not isinstance(entry, str))
        self._names = frozenset(entry for entry in self.entries if isinstance(entry, str))
        self._known: dict[int, tuple[weakref.ref[type], str]] = {}

    def never_has(self, error: BaseException) -> str | None:
        """The name of a type whose errors are unexpected, whatever else is known of them.

        Found out once for each type: a storm has few of them. No type is kept alive.
        """
        kind = type(error)
        known = self._known.get(id(kind))
        if known is not None and known[0]() is kind:
            return known[1]
        return self._learn(kind, error)

    def _learn(self, kind: type[BaseException], error: BaseException) -> str | None:
        if _is_conditional(kind) or error in self:
            return None
        if len(self._known) == _MOST_KNOWN:
            self._known.clear()
        name = type_name(error)
        self._known[id(kind)] = (weakref.ref(kind), name)
        return name

    def __contains__(self, error: BaseException) -> bool:
        if self._classes and isinstance(error, self._classes):
            return True
        return bool(self._names) and any(
            _class_name(base) in self._names for base in type(error).__mro__
        )


def is_expected(error: BaseException, ignored: Ignored, client_gone: Callable[[], bool]) -> bool:
    """Whether an error is part of normal service.

    Args:
        error: Any exception. A group is expected if each of its leaves is.
        ignored: The user's own rules.
        client_gone: Whether the client went away; asked only about connection errors.
    """
    if error in ignored:
        return True
    if not isinstance(error, BaseExceptionGroup):
        return _is_expected_leaf(error, client_gone)
    return all(leaf in ignored or _is_expected_leaf(leaf, client_gone) for leaf in leaves(error))


def _class_name(kind: type) -> str:
    """As ``bcd.engine.type_name`` calls the type of an error."""
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _is_conditional(kind: type[BaseException]) -> bool:
    """Whether more than its type decides if an error is expected."""
    if not issubclass(kind, Exception) or issubclass(kind, (ConnectionError, BaseExceptionGroup)):
        return True
    return any(base.__name__ in _RULED for base in kind.__mro__)


def _is_expected_leaf(error: BaseException, client_gone: Callable[[], bool]) -> bool:
    if not isinstance(error, Exception):
        return True
    if isinstance(error, ConnectionError):
        return client_gone() or _comes_from_server(error.__traceback__)
    for base in type(error).__mro__:
        if base.__name__ in _RULED:  # to make the whole name costs five times as much
            rule = _RULES.get(_class_name(base))
            if rule is not None:
                return rule(error)
    return False


def _always(_: BaseException) -> bool:
    return True


def _unless_server_error(attribute: str) -> Rule:
    def rule(error: BaseException) -> bool:
        status = _stored(error, attribute)
        return not isinstance(status, int) or status < 500  # noqa: PLR2004 - HTTP's server errors

    return rule


def _stored(error: BaseException, name: str) -> object:
    """An attribute as it is stored; a property of the program is not run."""
    if name in error.__dict__:
        return error.__dict__[name]
    for base in type(error).__mro__:
        if name in base.__dict__:
            return base.__dict__[name]
    return None


def _comes_from_server(traceback: TracebackType | None) -> bool:
    """Whether the web server's own code met the error, so that it is about the client.

    A connection to a database or another service breaks below other modules.
    """
    package = ""
    while traceback is not None:
        name = traceback.tb_frame.f_globals.get("__name__")
        top = name.partition(".")[0] if isinstance(name, str) else ""
        if top not in _BELOW_A_SERVER:
            package = top
        traceback = traceback.tb_next
    return package in _SERVERS


_RULES: dict[str, Rule] = {
    "celery.exceptions.Ignore": _always,
    "celery.exceptions.Reject": _always,
    "celery.exceptions.Retry": _always,
    "django.core.exceptions.BadRequest": _always,
    "django.core.exceptions.PermissionDenied": _always,
    "django.core.exceptions.RequestAborted": _always,
    "django.core.exceptions.SuspiciousOperation": _always,
    "django.http.multipartparser.MultiPartParserError": _always,
    "django.http.request.UnreadablePostError": _always,
    "django.http.response.Http404": _always,
    "starlette.exceptions.HTTPException": _unless_server_error("status_code"),
    "starlette.requests.ClientDisconnect": _always,
    "starlette.websockets.WebSocketDisconnect": _always,
    "uvicorn.protocols.utils.ClientDisconnected": _always,
    "werkzeug.exceptions.HTTPException": _unless_server_error("code"),
}
_RULED = frozenset(name.rpartition(".")[2] for name in _RULES)

"""The applications that are measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import celery
import flask
from celery.app import trace
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["celery_task", "flask_app", "objects_of", "prepare", "starlette_app"]


@dataclass
class Cart:
    """Something to find in a variable."""

    owner: str
    lines: list[tuple[str, int]]


class Slow:
    """An object that takes its time to say what it is."""

    def __repr__(self) -> str:
        """Wait a second."""
        time.sleep(1)
        return "<Slow>"


def held(what: str) -> object:
    """Make what the innermost frame is to hold in a variable."""
    if what == "dict":
        return {f"key{number}": number for number in range(100_000)}
    if what == "string":
        return "x" * 10_000_000
    return Slow() if what == "slow" else None


def descend(frames: int, what: str) -> None:
    """Fail under so many frames, each with a few variables; the innermost holds ``what``.

    Raises:
        ValueError: Always.
    """
    cart = Cart("ada", [("sencha", frames), ("teapot", 1)])
    total, label = frames * 9.5, f"frame {frames}"
    if frames <= 1:
        payload = _payloads.get(what)
        raise ValueError(f"no rate for {label}: {cart.owner} owes {total}, {payload is None}")
    descend(frames - 1, what)


def objects_of(megabytes: int) -> list[bytes]:
    """Make small objects that take so much memory."""
    return [b"%400d" % number for number in range(megabytes * 1_000_000 // 448)]


_payloads: dict[str, object] = {}


def prepare(what: str) -> None:
    """Make what a frame is to hold, so that making it takes no time later."""
    _payloads.setdefault(what, held(what))


async def _ok(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _fail(request: Request) -> PlainTextResponse:
    descend(int(request.path_params["frames"]), request.path_params["what"])
    return PlainTextResponse("not reached")


def starlette_app() -> Starlette:
    """``/ping`` succeeds, ``/fail/FRAMES/WHAT`` fails."""
    return Starlette(routes=[Route("/ping", _ok), Route("/fail/{frames}/{what}", _fail)])


def flask_app() -> flask.Flask:
    """``/ping`` succeeds, ``/fail/FRAMES/WHAT`` fails."""
    app = flask.Flask("bench")
    app.logger.disabled = True  # what it writes of an error is not the question
    app.add_url_rule("/ping", "ping", lambda: "ok")

    def failing(frames: int, what: str) -> str:
        descend(frames, what)
        return "not reached"

    app.add_url_rule("/fail/<int:frames>/<what>", "fail", failing)
    return app


def celery_task() -> Any:
    """A task that succeeds, as the process of a pool runs it, without a broker."""
    app = celery.Celery("bench", backend="disabled://", set_as_current=False)

    def ping() -> str:
        return "ok"

    task = app.task(ping, shared=False)
    app.finalize()
    return trace.build_tracer(task.name, app.tasks[task.name], app=app)

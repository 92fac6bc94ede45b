"""What does the middleware add to a request that succeeds, and Celery's hook to a task?

Bare, floor and bcd are measured in one process on one application whose outermost layer is
exchanged, as differences of 0.1 µs are below what two processes differ by anyhow. The peers
patch the frameworks, so each has a process of its own.
"""

from __future__ import annotations

import statistics
import sys
from functools import partial
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from bcd.integrations import asgi, celery, wsgi
from bcd.integrations.flask import Bcd
from bcd.integrations.starlette import instrument
from tests.bench.apps import celery_task, flask_app, starlette_app
from tests.bench.calls import (
    asgi_request,
    call_asgi,
    call_celery,
    call_wsgi,
    celery_request,
    wsgi_request,
)
from tests.bench.peers import (
    OPENTELEMETRY,
    SENTRY,
    instrument_by_opentelemetry,
    start_sentry,
)
from tests.bench.rounds import added, interleave, quiet
from tests.bench.tables import print_table, verdict
from tests.bench.worker import Worker, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bench.calls import Call

ROUNDS = {"Starlette": 3000, "Flask": 800, "Celery": 2000}
REQUESTS = 50
"""A round; long enough to be timed, short enough to run without an interruption mostly."""

GOALS = {
    "bcd: BcdMiddleware(app)": 0.3,
    "bcd: instrument(app)": 0.3,
    "bcd: Bcd(app)": 0.2,
    "bcd: setup()": 0.1,
}
PEERS = {
    **({"opentelemetry": "OpenTelemetry (no span sampled)"} if OPENTELEMETRY else {}),
    **({"sentry": "sentry-sdk (defaults)"} if SENTRY else {}),
}
CONTROL = "bare, once more (the noise)"


class AsgiPassThrough:
    """The least that a middleware can do."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request on."""
        await self.app(scope, receive, send)


class WsgiPassThrough:
    """The least that a middleware can do."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Pass a request on."""
        return self.app(environ, start_response)


def microseconds(call: Call, make: Callable[[str], Any], app: Any) -> float:
    """Time of one request in µs, the mean over a round."""
    requests = [make("/ping") for _ in range(REQUESTS)]
    start = perf_counter_ns()
    for request in requests:
        call(app, request)
    return (perf_counter_ns() - start) / REQUESTS / 1000


def starlette_cases() -> dict[str, Callable[[], float]]:
    """How a round of each variant is measured."""
    app = starlette_app()
    bare = app.middleware_stack = app.build_middleware_stack()
    instrument(app)
    measured = partial(microseconds, call_asgi, asgi_request)

    def with_stack(stack: Any, outermost: Any = app) -> float:
        app.middleware_stack = stack
        return measured(outermost)

    instrumented = app.middleware_stack
    return {
        "bare": partial(with_stack, bare),
        CONTROL: partial(with_stack, bare),
        "pass-through (the floor)": partial(with_stack, bare, AsgiPassThrough(app)),
        "bcd: BcdMiddleware(app)": partial(with_stack, bare, asgi.BcdMiddleware(app)),
        "bcd: instrument(app)": partial(with_stack, instrumented),
    }


def flask_cases() -> dict[str, Callable[[], float]]:
    """How a round of each variant is measured."""
    app: Any = flask_app()
    bare = app.wsgi_app
    Bcd(app)
    measured = partial(microseconds, call_wsgi, wsgi_request)

    def with_inner(inner: Any, outermost: Any = app) -> float:
        app.wsgi_app = inner
        return measured(outermost)

    hooked = app.wsgi_app
    return {
        "bare": partial(with_inner, bare),
        CONTROL: partial(with_inner, bare),
        "pass-through (the floor)": partial(with_inner, bare, WsgiPassThrough(app)),
        "bcd: BcdMiddleware(app), any WSGI": partial(with_inner, bare, wsgi.BcdMiddleware(app)),
        "bcd: Bcd(app)": partial(with_inner, hooked),
    }


def celery_cases() -> dict[str, Callable[[], float]]:
    """How a round of each variant is measured."""
    measured = partial(microseconds, call_celery, celery_request, celery_task())

    def with_hook() -> float:
        handle = celery.setup()
        try:
            return measured()
        finally:
            handle.uninstall()

    return {"bare": measured, CONTROL: measured, "bcd: setup()": with_hook}


def show(framework: str, cases: dict[str, Callable[[], float]]) -> None:
    """Measure one framework and print its table."""
    interleave(cases, 5)
    with quiet():
        found = interleave(cases, ROUNDS[framework])
        bare = found["bare"]
        for peer, title in PEERS.items():
            if (framework, peer) == ("Celery", "opentelemetry"):
                continue  # its instrumentation is another package
            with Worker("tests.bench.success", framework, peer, folder="") as watched:
                found[title] = watched.ask(rounds=100)
    rows = []
    for name, times in found.items():
        middle, least = added(times, bare) if len(times) == len(bare) else apart(times, bare)
        goal = verdict(round(middle, 2), GOALS[name]) if name in GOALS else ""
        rows.append(
            [name, f"{statistics.median(times):.2f}", f"{middle:+.2f}", f"{least:+.2f}", goal]
        )
    what = "task" if framework == "Celery" else "request"
    head = [f"µs a {what}", "median", "added", "(of minima)", "goal"]
    print_table(f"{framework}: a {what} that succeeds", head, rows)
    if not (SENTRY and OPENTELEMETRY):
        print("  sentry-sdk or OpenTelemetry is not installed and was skipped")


def apart(times: list[float], bare: list[float]) -> tuple[float, float]:
    """What is added as far as two processes can be compared."""
    return statistics.median(times) - statistics.median(bare), min(times) - min(bare)


def watched_by(framework: str, peer: str) -> Callable[..., list[float]]:
    """How rounds are measured under a peer."""
    if peer == "sentry":
        start_sentry()
    if framework == "Celery":
        measured = partial(microseconds, call_celery, celery_request, celery_task())
    else:
        app = flask_app() if framework == "Flask" else starlette_app()
        if peer == "opentelemetry":
            instrument_by_opentelemetry(framework, app)
        if framework == "Flask":
            measured = partial(microseconds, call_wsgi, wsgi_request, app)
        else:
            measured = partial(microseconds, call_asgi, asgi_request, app)

    def answer(rounds: int) -> list[float]:
        with quiet():
            return [measured() for _ in range(rounds)]

    return answer


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(watched_by(*sys.argv[1:]))
    else:
        show("Starlette", starlette_cases())
        show("Flask", flask_cases())
        show("Celery", celery_cases())

"""One small program twice: ``bare``, and ``traced`` by bcd. For tests with real servers."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import flask

from bcd import BTTracer, GlobalConfig, update_config
from bcd.integrations.flask import Bcd

if TYPE_CHECKING:
    from collections.abc import Iterator

update_config(GlobalConfig(rate_limit=float(os.environ.get("TEST_RATE_LIMIT", "3"))))


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


def ok() -> str:
    """Work."""
    return "tea"


def pid() -> str:
    """Tell which worker answers."""
    return str(os.getpid())


def missing() -> str:
    """Answer with an error that is the client's."""
    flask.abort(404, "no tea")


def fail(tenant: str, number: str) -> str:
    """Fail with an error that is the program's."""
    raise Boom(f"deep {number}", tenant)


def half() -> flask.Response:
    """Fail half-way."""

    def pour() -> Iterator[bytes]:
        yield b"te"
        raise Boom("half")

    return flask.Response(pour())


dropped = threading.Event()


def drip() -> flask.Response:
    """Send until the client goes away."""

    def pour() -> Iterator[bytes]:
        try:
            while True:
                yield b"drip" * 1000
        finally:
            dropped.set()

    return flask.Response(pour())


def was_dropped() -> str:
    """Answer once the client of ``drip`` went away."""
    dropped.wait(60)
    return "dropped"


def program() -> flask.Flask:
    """The program."""
    app = flask.Flask("program")
    app.add_url_rule("/ok", "ok", ok)
    app.add_url_rule("/pid", "pid", pid)
    app.add_url_rule("/missing", "missing", missing)
    app.add_url_rule("/t/<tenant>/fail/<number>", "fail", fail)
    app.add_url_rule("/half", "half", half)
    app.add_url_rule("/drip", "drip", drip)
    app.add_url_rule("/was-dropped", "was_dropped", was_dropped)
    return app


bare = program()
traced = program()
path = os.environ.get("TEST_TRACER")
Bcd(traced, tracer=BTTracer(path=path) if path else None)

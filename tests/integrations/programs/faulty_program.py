"""A program whose errors and whose tracer have faults, as told by the environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import bcd
from bcd.integrations.starlette import instrument

if TYPE_CHECKING:
    from starlette.requests import Request

FAULT = os.environ["TEST_FAULT"]
TRACERS: dict[str, dict[str, Any]] = {
    "no program": {"program": "/nowhere/tracer.py"},
    "no interpreter": {"python": "/nowhere/python"},
    "another interpreter": {"python": "/usr/bin/python3"},
    "killed": {"program": Path(__file__).with_name("killed_tracer.py")},
    "hanging": {"program": os.environ.get("TEST_TRACER")},
    "silent": {"program": Path(__file__).with_name("silent_tracer.py"), "timeout": 0.5},
}
if FAULT == "free-threaded":
    sys.abiflags = "t"


class Mute(Exception):  # noqa: N818 - short
    """An error that will not tell its text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


async def fail(request: Request) -> Response:
    """Fail as the path says."""
    kind = request.path_params["kind"]
    if kind == "mute":
        raise Mute
    if kind == "long":
        raise ValueError("x" * 10_000_000)
    raise ValueError(kind)


async def ok(_: Request) -> Response:
    """Work."""
    return PlainTextResponse("tea")


app = Starlette(routes=[Route("/fail/{kind:path}", fail), Route("/ok", ok)])
if FAULT == "hanging, live":
    tracer: bcd.Tracer = bcd.BTTracer(path=os.environ["TEST_TRACER"])
else:
    tracer = bcd.PythonTracer(**TRACERS.get(FAULT, {}))
instrument(app, tracer=tracer)

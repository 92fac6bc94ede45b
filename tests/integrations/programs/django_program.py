"""A small Django project in one file, with or without bcd as told by the environment.

``TEST_HOOK`` is ``none``, ``middleware``, ``setup`` or ``init``.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.db.transaction import non_atomic_requests
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.urls import include, path

from bcd import GlobalConfig, init, update_config
from bcd.config import current_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

HOOK = os.environ.get("TEST_HOOK", "none")
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
if HOOK == "middleware":
    MIDDLEWARE.insert(0, "bcd.integrations.django.BcdMiddleware")
DATABASE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": Path(os.environ.get("HOME", "/tmp")) / "shop.sqlite",  # noqa: S108 - a test's own
    "ATOMIC_REQUESTS": True,
}

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": DATABASE},
    INSTALLED_APPS=[],
    MIDDLEWARE=MIDDLEWARE,
    ROOT_URLCONF=__name__,
)
django.setup()
update_config(GlobalConfig(rate_limit=float(os.environ.get("TEST_RATE_LIMIT", "3"))))
if HOOK == "setup":
    from bcd.integrations.django import setup

    setup()
if HOOK == "init":
    init(config=current_config())


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


def ok(_: Any) -> HttpResponse:
    """Work."""
    return HttpResponse("tea")


def missing(_: Any) -> HttpResponse:
    """Answer with an error that is the client's."""
    raise Http404("no tea")


def fail(_: Any, tenant: str, number: str) -> HttpResponse:
    """Fail with an error that is the program's."""
    raise Boom(f"deep {number}", tenant)


@non_atomic_requests
async def fail_async(_: Any, number: str) -> HttpResponse:
    """Fail in a coroutine."""
    await asyncio.sleep(0)
    raise Boom(f"deep {number}")


def half(_: Any) -> StreamingHttpResponse:
    """Fail half-way."""

    def pour() -> Iterator[bytes]:
        yield b"te"
        raise Boom("half")

    async def pour_async() -> AsyncIterator[bytes]:
        for part in pour():
            yield part

    return StreamingHttpResponse(pour_async() if "uvicorn" in sys.modules else pour())


dropped = threading.Event()


def drip(_: Any) -> StreamingHttpResponse:
    """Send until the client goes away."""

    def pour() -> Iterator[bytes]:
        try:
            while True:
                yield b"drip" * 1000
        finally:
            dropped.set()

    async def pour_async() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"drip" * 1000
                await asyncio.sleep(0.001)
        finally:
            dropped.set()

    return StreamingHttpResponse(pour_async() if "uvicorn" in sys.modules else pour())


def was_dropped(_: Any) -> HttpResponse:
    """Answer once the client of ``drip`` went away."""
    dropped.wait(60)
    return HttpResponse("dropped")


def sell(_: Any, how: str) -> HttpResponse:
    """Write to the database, and fail if told so; the request is one transaction."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY)")
        if how != "count":
            cursor.execute("INSERT INTO orders VALUES (7)")
        if how == "badly":
            raise Boom("after the order was written")
        cursor.execute("SELECT count(*) FROM orders")
        return HttpResponse(str(cursor.fetchone()[0]))


urlpatterns = (
    path("ok", ok),
    path("missing", missing),
    path("t/<tenant>/", include([path("fail/<number>", fail)])),
    path("async/<number>", fail_async),
    path("half", half),
    path("drip", drip),
    path("was-dropped", was_dropped),
    path("sell/<how>", sell),
)

wsgi = get_wsgi_application()
asgi = get_asgi_application()

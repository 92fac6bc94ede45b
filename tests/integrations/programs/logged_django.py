"""A Django project that logs errors, raises them, or both; what the servers log reaches bcd too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from logged import fail, log, set_up

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=[],
    MIDDLEWARE=["bcd.integrations.django.BcdMiddleware"],
    ROOT_URLCONF=__name__,
)
django.setup()
set_up()


def raises(_: Any) -> HttpResponse:
    """Leave it to Django to log."""
    fail(logs=False)
    raise AssertionError


def both(_: Any) -> HttpResponse:
    """Log on the way."""
    fail(logs=True)
    raise AssertionError


def thread(_: Any) -> HttpResponse:
    """Log in another thread, from which the error comes back."""
    with ThreadPoolExecutor() as pool:
        pool.submit(fail, logs=True).result()
    raise AssertionError


def handles(_: Any) -> HttpResponse:
    """Log and go on."""
    try:
        fail(logs=True)
    except LookupError:
        log.exception("logged again")
    return HttpResponse("handled")


urlpatterns = [path(view.__name__, view) for view in (raises, both, thread, handles)]
wsgi = get_wsgi_application()
asgi = get_asgi_application()

"""What bcd is measured beside, each where it is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

__all__ = ["OPENTELEMETRY", "SENTRY", "instrument_by_opentelemetry", "start_sentry"]


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is not there
        return False


SENTRY = _is_there("sentry_sdk")
OPENTELEMETRY = _is_there("opentelemetry.sdk") and all(
    _is_there(f"opentelemetry.instrumentation.{name}") for name in ("flask", "starlette")
)


def start_sentry() -> None:
    """Start sentry-sdk with its defaults and a transport that drops what it is given."""
    import sentry_sdk  # a peer that may be missing
    from sentry_sdk.transport import Transport

    class Dropping(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            pass

    sentry_sdk.init(dsn="http://key@localhost/1", transport=Dropping)


def instrument_by_opentelemetry(framework: str, app: Any) -> None:
    """Instrument an application; no span is sampled, which is the least that it can cost."""
    from opentelemetry import trace  # a peer that may be missing, and so are the next
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    trace.set_tracer_provider(TracerProvider(sampler=ALWAYS_OFF))
    if framework == "Flask":
        from opentelemetry.instrumentation.flask import FlaskInstrumentor

        FlaskInstrumentor().instrument_app(app)
    else:
        from opentelemetry.instrumentation.starlette import StarletteInstrumentor

        StarletteInstrumentor.instrument_app(app)

"""The application that storm.py has uvicorn serve; BENCH_KIND says which variant."""

from __future__ import annotations

import os

import bcd
from bcd.integrations.starlette import instrument
from tests.bench.apps import starlette_app, start_sentry

KIND = os.environ.get("BENCH_KIND", "bare")

if KIND == "sentry":
    start_sentry()
app = starlette_app()
if KIND == "bcd":
    instrument(app)
    bcd.update_config(bcd.GlobalConfig(rate_limit=float(os.environ.get("BENCH_RATE_LIMIT", "3"))))

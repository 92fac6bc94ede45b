"""The applications that storm.py and live.py have servers serve; BENCH_KIND says which variant."""

from __future__ import annotations

import os

import bcd
from bcd.integrations.flask import Bcd
from bcd.integrations.starlette import instrument
from tests.bench.apps import flask_app, objects_of, starlette_app
from tests.bench.peers import start_sentry

KIND = os.environ.get("BENCH_KIND", "bare")

ballast = objects_of(int(os.environ.get("BENCH_HEAP", "0")))
if KIND == "sentry":
    start_sentry()
app = starlette_app()
application = flask_app()
application.logger.disabled = bool(os.environ.get("BENCH_QUIET"))
if KIND == "bcd":
    instrument(app)
    Bcd(application)
    bcd.update_config(bcd.GlobalConfig(rate_limit=float(os.environ.get("BENCH_RATE_LIMIT", "3"))))

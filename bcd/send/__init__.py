"""Snapshots for others: Sentry, OpenTelemetry's collectors, Backtrace.

Each service has a pure function that makes its document of a snapshot; one POST delivers it.
"""

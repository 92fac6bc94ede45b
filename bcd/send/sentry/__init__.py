"""Sentry: an event in an envelope, within the limits that Sentry sets."""

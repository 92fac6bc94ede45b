"""The options that say which snapshots are meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from bcd.cli._completing import OFFERS
from bcd.cli._moments import moment
from bcd.store.base import Filter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["filter_of", "filter_options", "limit_of"]

_FINGERPRINT = re.compile(r"[0-9a-f]{1,16}", re.IGNORECASE)
_DIGITS = 10


def limit_of(text: str) -> int | None:
    """Read a number of things, ``all`` of which is None.

    Raises:
        BadParameter: It is neither.
    """
    if text == "all":
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < _DIGITS else 0
    if number < 1:
        raise click.BadParameter(f"{text!r} is neither a number from 1 on nor all")
    return number


def _moment(text: str) -> datetime:
    try:
        return moment(text, datetime.now(UTC))
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


def _attribute(text: str) -> tuple[str, str | None]:
    key, equals, value = text.partition("=")
    if not key:
        raise click.BadParameter(f"{text!r} names no attribute; give KEY or KEY=VALUE")
    return key, value if equals else None


def _fingerprint(text: str) -> str:
    if not _FINGERPRINT.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not 16 hexadecimal digits, or their begin")
    return text.lower()


def _option(name: str, *declarations: str, **settings: Any) -> Callable[..., Any]:
    """Make an option that knows what to offer."""
    return click.option(f"--{name}", *declarations, shell_complete=OFFERS[name], **settings)


_OPTIONS = (
    click.option("--since", type=_moment, metavar="TIME", help="From then on: 2h, 2026-11-20, …"),
    click.option("--until", type=_moment, metavar="TIME", help="Before then."),
    _option("type", metavar="NAME", help="Of the error, in full or its last part."),
    click.option("--text", metavar="TEXT", help="Is in the error's type or message."),
    _option("route", metavar="ROUTE", help="Of the request, or the name of the task."),
    _option("service", metavar="NAME", help="Attribute service.name."),
    _option("release", metavar="NAME", help="Attribute service.version."),
    _option(
        "attribute",
        "attributes",
        type=_attribute,
        metavar="KEY[=VALUE]",
        multiple=True,
        help="Has it, with that value. Can be given several times.",
    ),
    _option("classifier", metavar="NAME", help="Is one of the classifiers."),
    _option("fingerprint", type=_fingerprint, metavar="HEX", help="Of the kind, or its begin."),
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of which :func:`filter_of` makes a filter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def filter_of(*, attributes: Sequence[tuple[str, str | None]], **given: Any) -> Filter | None:
    """Make the filter; None where nothing is asked for.

    Raises:
        UsageError: The options contradict each other.
    """
    told = dict(attributes)
    if len(told) < len(set(attributes)):
        raise click.UsageError("--attribute is given twice for one name")
    since, until = given["since"], given["until"]
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--since is not before --until")
    wanted = Filter(attributes=told, **given)
    return None if wanted == Filter() else wanted

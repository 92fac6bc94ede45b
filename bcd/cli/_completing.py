"""What a shell offers for the beginning of a word, read from the newest snapshots."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from bcd.cli._folder import store
from bcd.errors import BcdError
from bcd.report.line import cut
from bcd.report.listing import listing_lines
from bcd.snapshot.attributes import RELEASE, SERVICE, route_of
from bcd.store.base import Found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import click

    from bcd.store.files import FolderStore
    from bcd.store.matching import AnyHead

__all__ = ["OFFERS", "offer_peers", "offer_references"]

_HEADS = 300
_REFERENCES = 50
_PATIENCE_S = 0.3
_DESCRIPTION = 60
_HARMLESS = re.compile(r"[\w./:{}@%+=-]+")
"""What a shell takes as it stands: what comes from outside must not become a command."""


def offer_references(
    context: click.Context, _parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """Offer the ids of the newest snapshots with their errors, and latest."""
    now = datetime.now(UTC)
    heads = list(_heads(context, _REFERENCES))
    rows = [each.plain for each in listing_lines(heads, now=now, width=None)][1:]
    found = [
        CompletionItem(head.id, help=cut(row.removeprefix(head.id).strip(), _DESCRIPTION))
        for head, row in zip(heads, rows, strict=True)
        if head.id.startswith(begin.upper())
    ]
    latest = CompletionItem("latest", help="the newest one")
    return [latest, *found] if latest.value.startswith(begin) else found


def _offering(
    values: Callable[[AnyHead], Iterable[str | None]],
) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Offer for an option what the newest snapshots have."""

    def offer(
        context: click.Context, _parameter: click.Parameter, begin: str
    ) -> list[CompletionItem]:
        found = (value for head in _heads(context, _HEADS) for value in values(head))
        return _items(found, begin)

    return offer


def _offer_attributes(
    context: click.Context, _parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """Offer the names of attributes, and behind the equals sign their values."""
    told = [pair for head in _heads(context, _HEADS) for pair in head.attributes.items()]
    if "=" in begin:
        return _items((f"{key}={value}" for key, value in told), begin)
    return _items((key for key, _ in told), begin)


def offer_peers(
    context: click.Context, parameter: click.Parameter, begin: str
) -> list[CompletionItem]:
    """Offer the names of the threads, or of the tasks, of the snapshot that is to be shown."""
    told = [*context.args, context.params.get("reference")]  # not parsed where an option is open
    try:
        found = _place(context).find(told[0] or "latest")
    except BcdError:
        return []
    if not isinstance(found, Found):
        return []
    peers = found.snapshot.threads if parameter.name == "thread" else found.snapshot.tasks
    return _items((each.name for each in peers), begin)


def _heads(context: click.Context, limit: int) -> Iterator[AnyHead]:
    """Read the newest ones, as many as a person at a prompt has time for; none of a database."""
    if context.params.get("store") and not context.params.get("folder"):
        return
    try:
        listing = _place(context).listing(limit=limit, watch=_in_a_hurry)
    except BcdError:
        return
    heads: list[AnyHead] = [entry.head for entry in listing.entries]
    heads.extend(entry.head for entry in listing.dumps)
    yield from sorted(heads, key=lambda head: head.id, reverse=True)


def _place(context: click.Context) -> FolderStore:
    return store(context.params.get("folder"))


def _in_a_hurry(paths: Sequence[str]) -> Iterator[str]:
    end = monotonic() + _PATIENCE_S
    for path in paths:
        if monotonic() > end:
            return
        yield path


def _items(values: Iterable[str | None], begin: str) -> list[CompletionItem]:
    several = dict.fromkeys(value for value in values if value and value.startswith(begin))
    return [CompletionItem(value) for value in several if _HARMLESS.fullmatch(value)]


def _types_of(head: AnyHead) -> Iterator[str]:
    """The type of the error, in full and its last part."""
    if head.error is not None:
        yield head.error.type
        yield head.error.type.rpartition(".")[2]


OFFERS = {
    "type": _offering(_types_of),
    "route": _offering(lambda head: [route_of(head.attributes)]),
    "service": _offering(lambda head: [head.attributes.get(SERVICE)]),
    "release": _offering(lambda head: [head.attributes.get(RELEASE)]),
    "classifier": _offering(lambda head: head.classifiers),
    "fingerprint": _offering(lambda head: [head.reason.fingerprint]),
    "attribute": _offer_attributes,
}
"""Option of a filter → what is offered for it."""

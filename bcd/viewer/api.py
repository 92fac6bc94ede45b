"""The same for programs, as JSON; what there is is described by ``/api/openapi.json``."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import Response

from bcd.snapshot.attributes import suppressed_before
from bcd.snapshot.codec import time_text
from bcd.viewer.answers import document
from bcd.viewer.asked import ask_group, ask_snapshot
from bcd.viewer.query import FILTERS, read_query

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from bcd.store.base import Entry, Group, Index
    from bcd.viewer.asked import GroupAnswer
    from bcd.viewer.asking import Asker
    from bcd.viewer.query import Query

__all__ = ["Api"]

_LIMIT = 50
_DESCRIPTION = Path(__file__).parent / "assets" / "openapi.json"


class Api:
    """Answers with JSON.

    Args:
        index: What is told.
        asker: Asks it.
    """

    def __init__(self, index: Index, asker: Asker) -> None:
        self._index = index
        self._asker = asker

    async def groups(self, request: Request) -> Response:
        """Tell the groups."""
        query = _query(request, FILTERS | {"fingerprint", "state", "limit", "offset"})
        limit = query.limit or _LIMIT
        found = await self._asker.ask(
            lambda: self._index.groups(
                query.wanted, state=query.state, limit=limit, offset=query.offset
            )
        )
        return document(
            {
                "groups": [_group(each) for each in found.groups],
                "total": found.total,
                "limit": limit,
                "offset": query.offset,
                "start": time_text(found.start),
                "end": time_text(found.end),
            }
        )

    async def group(self, request: Request) -> Response:
        """Tell what is known of one group."""
        query = _query(request, FILTERS)
        fingerprint = request.path_params["fingerprint"]
        answer = await self._asker.ask(lambda: ask_group(self._index, fingerprint, query))
        return document(_group_answer(answer))

    async def snapshots(self, request: Request) -> Response:
        """Tell the snapshots."""
        query = _query(request, FILTERS | {"fingerprint", "limit", "before"})
        limit = query.limit or _LIMIT
        found = await self._asker.ask(
            lambda: self._index.snapshots(query.wanted, limit=limit, before=query.before)
        )
        return document(
            {
                "snapshots": [_entry(each) for each in found.entries],
                "total": found.total,
                "limit": limit,
                "next": found.next,
                "warnings": list(found.warnings),
            }
        )

    async def snapshot(self, request: Request) -> Response:
        """Hand out the document of one snapshot, as it is."""
        _query(request, frozenset())
        wanted = request.path_params["id"]
        found = await self._asker.ask(lambda: ask_snapshot(self._index, wanted))
        return Response(found.document, media_type="application/json")

    async def description(self, request: Request) -> Response:
        """Describe all this."""
        _query(request, frozenset())
        return document(_description())


def _query(request: Request, names: frozenset[str]) -> Query:
    return read_query(request.scope["query_string"], names, datetime.now(UTC))


def _group_answer(answer: GroupAnswer) -> Mapping[str, object]:
    return {
        **_group(answer.group if answer.fits else _emptied(answer.group)),
        "start": time_text(answer.page.start),
        "end": time_text(answer.page.end),
        "attributes": {key: dict(values) for key, values in answer.common.items()},
        "releases": [
            {"release": each.name, "errors": each.errors, "first": each.first}
            for each in answer.releases
        ],
    }


def _emptied(group: Group) -> Group:
    return replace(group, count=0, suppressed=0, activity=(0,) * len(group.activity))


def _group(group: Group) -> dict[str, object]:
    return {
        "fingerprint": group.fingerprint,
        "type": group.type,
        "message": group.message,
        "route": group.route,
        "count": group.count,
        "suppressed": group.suppressed,
        "first_seen": time_text(group.first_seen),
        "last_seen": time_text(group.last_seen),
        "latest": group.latest,
        "state": group.state,
        "regressed": group.regressed,
        "activity": list(group.activity),
    }


def _entry(entry: Entry) -> dict[str, object]:
    head = entry.head
    return {
        "id": head.id,
        "created": time_text(head.created),
        "reason": head.reason.kind,
        "fingerprint": head.reason.fingerprint,
        "type": head.error and (head.error.type or None),
        "message": head.error and head.error.message,
        "pid": head.process.pid,
        "host": head.process.host,
        "attributes": dict(head.attributes),
        "classifiers": list(head.classifiers),
        "suppressed": suppressed_before(head.attributes),
        "size": entry.size,
    }


@cache
def _description() -> object:
    return json.loads(_DESCRIPTION.read_bytes())

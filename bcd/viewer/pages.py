"""The pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse, Response

from bcd.report.html import Link
from bcd.report.html import page as snapshot_page
from bcd.store.base import STATES
from bcd.viewer.answers import filled, page
from bcd.viewer.asked import PAGE_SIZE, Choices, ask_group, ask_groups, ask_snapshot
from bcd.viewer.attributes import traits
from bcd.viewer.query import FILTERS, TEXTS, read_query
from bcd.viewer.rows import first_line, group_row, snapshot_row, split_type, time_of
from bcd.viewer.sparkline import in_words, sparkline
from bcd.viewer.times import clock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from bcd.store.base import Found, Index
    from bcd.viewer.asked import GroupAnswer, GroupsAnswer
    from bcd.viewer.asking import Asker
    from bcd.viewer.query import Query

__all__ = ["Pages"]

_SNAPSHOT_POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"  # it has its own
_KEYS = 4
_RANGES = {"hour": "1 hour", "day": "24 hours", "week": "7 days"}


class Pages:
    """Answers with pages.

    Args:
        index: What is shown.
        asker: Asks it.
        place: Options by which a command names the store.
        locked: Whether readers have to sign in.
    """

    def __init__(self, index: Index, asker: Asker, *, place: str, locked: bool) -> None:
        self._index = index
        self._choices = Choices(index)
        self._asker = asker
        self._place = place
        self._locked = locked

    async def groups(self, request: Request) -> Response:
        """Show the groups."""
        query = _query(request, FILTERS | {"state", "page"})
        if query.empty:
            return _clean("/", query)
        answer = await self._asker.ask(lambda: ask_groups(self._index, self._choices, query))
        return page(self._filled("groups.html", query, "/", _groups_content(answer, query)))

    async def group(self, request: Request) -> Response:
        """Show one group."""
        query = _query(request, FILTERS | {"before"})
        fingerprint = request.path_params["fingerprint"]
        path = f"/groups/{fingerprint}"
        if query.empty:
            return _clean(path, query)
        answer = await self._asker.ask(lambda: ask_group(self._index, fingerprint, query))
        return page(self._filled("group.html", query, path, _group_content(answer, query, path)))

    async def snapshot(self, request: Request) -> Response:
        """Show one snapshot."""
        text = await self._page_of(request, linked=True)
        return Response(text, media_type="text/html", headers=_policy())

    async def snapshot_file(self, request: Request) -> Response:
        """Hand out the page of one snapshot, which stands alone."""
        text = await self._page_of(request, linked=False)
        name = request.path_params["id"]
        kept = {"Content-Disposition": f'attachment; filename="{name}.html"'}
        return Response(text, media_type="text/html", headers=_policy() | kept)

    def _filled(self, template: str, query: Query, path: str, content: Mapping[str, object]) -> str:
        common = {
            "query": query,
            "path": path,
            "place": self._place,
            "locked": self._locked,
            "ranges": _RANGES,
            "chips": _chips(query),
        }
        return filled(template, {**common, **content})

    async def _page_of(self, request: Request, *, linked: bool) -> str:
        wanted = request.path_params["id"]

        def question() -> str:
            found = ask_snapshot(self._index, wanted)
            return snapshot_page(found.snapshot, _links(found) if linked else ())

        return await self._asker.ask(question)


def _query(request: Request, names: frozenset[str]) -> Query:
    return read_query(request.scope["query_string"], names, datetime.now(UTC))


def _clean(path: str, query: Query) -> Response:
    """Lead to the same page without the empty fields of a form, so that its URL can be read."""
    return RedirectResponse(query.link(path), 303)


def _policy() -> dict[str, str]:
    return {"Content-Security-Policy": _SNAPSHOT_POLICY}


def _groups_content(answer: GroupsAnswer, query: Query) -> Mapping[str, object]:
    shown = (query.page - 1) * PAGE_SIZE
    return {
        "rows": [group_row(each, answer.page, query) for each in answer.page.groups],
        "total": answer.page.total,
        "shown": shown,
        "more": answer.page.total > shown + len(answer.page.groups),
        "start": clock(answer.page.start, answer.page.end - answer.page.start),
        "end": clock(answer.page.end, answer.page.end - answer.page.start),
        "choices": answer.choices,
        "warnings": answer.warnings,
        "states": (*STATES, "all"),
        "state": query.state or "all",
    }


def _group_content(answer: GroupAnswer, query: Query, path: str) -> Mapping[str, object]:
    group, length = answer.group, answer.page.end - answer.page.start
    module, name = split_type(group.type)
    found = traits(answer.common, group.count, query, path)
    keys = [each.key for each in found.spread[:_KEYS]]
    return {
        "group": group,
        "module": module,
        "name": name or "no error",
        "message": first_line(group.message),
        "errors": group.count + group.suppressed,
        "first": time_of(group.first_seen, query.now),
        "last": time_of(group.last_seen, query.now),
        "fits": answer.fits,
        "spark": sparkline(group.activity, answer.page.start, answer.page.end),
        "words": in_words(group.activity, answer.page.start, answer.page.end),
        "ticks": [clock(answer.page.start + length * part / 2, length) for part in range(3)],
        "traits": found,
        "releases": answer.releases,
        "rows": [snapshot_row(each, keys, query.now) for each in answer.snapshots.entries],
        "total": answer.snapshots.total,
        "next": answer.snapshots.next,
    }


def _chips(query: Query) -> list[tuple[str, str, str]]:
    """Name, value, and the parameter of each filter that holds, save for the time."""
    return [
        ("" if name == "attribute" else name, value, name)
        for name, value in query.given
        if name in {*TEXTS, "attribute"}
    ]


def _links(found: Found) -> list[Link]:
    snapshot_id = found.snapshot.id
    fingerprint = found.snapshot.reason.fingerprint
    group = [Link(label="This kind of error", href=f"/groups/{fingerprint}")] if fingerprint else []
    return [
        Link(label="← All errors", href="/"),
        *group,
        Link(label="JSON", href=f"/snapshots/{snapshot_id}.json"),
        Link(
            label="Download this page",
            href=f"/snapshots/{snapshot_id}.html",
            file=f"{snapshot_id}.html",
        ),
    ]

"""Whatever is asked, and whatever a snapshot holds: an answer, and nothing but text in it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcd.viewer.access import Access
from bcd.viewer.application import application
from bcd.viewer.query import FILTERS
from tests.viewer.client import Client
from tests.viewer.fake_index import FakeIndex
from tests.viewer.snapshots import fingerprint_of, made, shop

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 25, 3, tzinfo=UTC)
RATE = fingerprint_of("shop.payment.NoExchangeRate")
NAMES = sorted(FILTERS | {"state", "page", "limit", "offset", "before", "fingerprint", "x"})
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["open", "all", "day", "hour", "week", "1", "50", RATE, "k=v", "=", "'; --",
                     "2026-11-25T01:00", "2026-11-25T01:00:00+01:00", "0001-01-01", "9999-12-31",
                     "01KAQ7T3M8Q9ZV4X1J6C5R2DWN", "%", "_", "\\", "\x00"]),
)  # fmt: skip
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6)
PATHS = ["/", f"/groups/{RATE}", "/api/groups", f"/api/groups/{RATE}", "/api/snapshots"]
HOSTILE = [
    "</script><script>document.title = 'owned'</script>",
    "<img src=https://example.org/x>",
    '" onfocus="alert(1)" autofocus "',
    "{{ 7 * 7 }}{% raw %}",
    "\u202eevil\u2066",
    "javascript:alert(1)",
    "\x1b[31m\x00",
    "x" * 10_000,
]  # fmt: skip


@pytest.fixture(name="viewer", scope="module")
def _viewer() -> Iterator[Client]:
    index = FakeIndex(shop(NOW), NOW)
    client = Client(application(index, Access(token=None, hosts=None)), "http://viewer.test")
    yield client
    client.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(path=st.sampled_from(PATHS), query=QUERIES)
def test_any_parameters(viewer: Client, path: str, query: list[tuple[str, str]]) -> None:
    """Parameters of any kind are understood or refused, and never the viewer's own error."""
    text = urlencode(query, errors="surrogatepass")
    answer = viewer.get(f"{path}?{text}")
    assert answer.status_code in (200, 303, 400)
    if answer.status_code == 303:
        again = viewer.get(answer.headers["location"])
        assert again.status_code in (200, 400)


@settings(max_examples=150, deadline=None)
@given(raw=st.binary(max_size=60))
def test_any_bytes_as_a_query(viewer: Client, raw: bytes) -> None:
    """What is no query at all is refused as well."""
    text = quote(raw, safe="&=%+;?/")
    assert viewer.get(f"/api/groups?{text}").status_code in (200, 400)


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_any_path(viewer: Client, parts: list[str]) -> None:
    """A path of any kind leads somewhere or nowhere."""
    path = "/".join(quote(part, safe="", errors="surrogatepass") for part in parts)
    for start in ("/", "/groups/", "/snapshots/", "/api/snapshots/", "/assets/"):
        assert viewer.get(start + path).status_code in (200, 400, 404)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_snapshots(text: str) -> None:
    """In type, message, attributes and host: it stays text, on every page."""
    told = {text: text, "service.name": text, "service.version": text, "http.route": text}
    ages = range(3)
    snapshots = [
        made(f"shop.E{text}", text, NOW.replace(minute=n), attributes=told, host=text,
             fingerprint="0123456789abcdef")
        for n in ages
    ]  # fmt: skip
    client = Client(
        application(FakeIndex(snapshots, NOW), Access(token=None, hosts=None)), "http://x"
    )
    for path in ("/", "/groups/0123456789abcdef", f"/?{urlencode({'text': text[:400]})}"):
        answer = client.get(path)
        assert answer.status_code in (200, 400)
        page = re.sub(r'<script src="/assets/viewer.js"></script>', "", answer.text)
        assert "<script" not in page
        assert "<img" not in page
        assert not re.search(r"<[a-z][^<>]*\bonfocus=", re.sub(r'"[^"]*"', "", page))
        assert not re.search(r'href="(?!/|data:,|#)', page)
        assert {char for char in page if not char.isprintable()} <= {"\n"}
    client.close()


def test_a_link_of_any_value_leads_to_what_has_it() -> None:
    """Values with signs that mean something in URLs are found again by their links."""
    odd = "a=b&c=d#e+f %2F 'q' \u00fc"
    told = [{"key": odd}, {"key": odd}, {"key": "other"}]
    snapshots = [made("shop.E", f"m{n}", NOW.replace(minute=n), attributes=each)
                 for n, each in enumerate(told)]  # fmt: skip
    client = Client(
        application(FakeIndex(snapshots, NOW), Access(token=None, hosts=None)), "http://x"
    )
    page = client.get(f"/groups/{fingerprint_of('shop.E')}").text
    [first, *_] = re.findall(r'<a href="([^"]*attribute=key[^"]*)"', page)
    assert "2 of 2" in client.get(first.replace("&amp;", "&")).text
    client.close()

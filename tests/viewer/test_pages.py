"""What the pages show, and where their links lead."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from bcd.store.base import Filter
from bcd.viewer.access import Access
from bcd.viewer.application import application
from bcd.viewer.asked import Choices
from tests.viewer.client import Client
from tests.viewer.snapshots import fingerprint_of, made

if TYPE_CHECKING:
    from tests.viewer.fake_index import FakeIndex

RATE = fingerprint_of("shop.payment.NoExchangeRate")
POOL = fingerprint_of("sqlalchemy.exc.TimeoutError")
LOCKED = fingerprint_of("shop.orders.OrderLocked")
KEY = fingerprint_of("KeyError")


def text_of(page: str) -> str:
    """The words of a page."""
    bare = re.sub(r"<(title|svg)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", bare)).split())


def names(page: str) -> list[str]:
    """The types of the groups on a page, in their order."""
    return re.findall(r'<p class="type"><a [^>]*>(?:<span class="module">[^<]*</span>)?'
                      r'<span class="name">([^<]*)</span>', page)  # fmt: skip


def links(page: str) -> list[str]:
    """Where the links of a page lead."""
    return [html.unescape(each) for each in re.findall(r'<a\b[^>]* href="([^"]*)"', page)]


def query_of(url: str) -> dict[str, list[str]]:
    """The parameters of a URL."""
    return parse_qs(urlsplit(url).query)


# --- groups ---


def test_groups_by_when_they_were_seen_last(client: Client) -> None:
    """The first line is what happens now: type, message, route, how many, when."""
    page = client.get("/").text
    assert names(page)[:2] == ["NoExchangeRate", "TimeoutError"]
    words = text_of(page)
    assert "shop.payment. NoExchangeRate new no rate for 'CHF' today /checkout" in words
    assert re.search(r"1,\d\d\d errors 42 snapshots \d+ min ago first 2 h ago", words)


def test_errors_that_were_only_counted_count(client: Client, index: FakeIndex) -> None:
    """The number of a group is that of its snapshots and of those errors."""
    [group] = [each for each in index.groups(Filter()).groups if each.fingerprint == RATE]
    assert f"<b>{group.count + group.suppressed:,}</b>" in client.get("/").text


def test_a_sparkline_says_the_same_in_words(client: Client) -> None:
    """Whoever cannot see the bars reads how many there were, and when the most."""
    page = client.get("/?last=day").text
    [first, *_] = re.findall(r'<svg class="spark" role="img" aria-label="([^"]*)"', page)
    assert re.fullmatch(r"1,\d+ between .* and .* UTC, at most \d+ from .* on", first)


def test_only_open_groups_unless_told(client: Client, index: FakeIndex) -> None:
    """What was resolved or is to be ignored is shown when asked for, with its state."""
    index.states[LOCKED] = "ignored"
    assert "OrderLocked" not in names(client.get("/").text)
    assert names(client.get("/?state=ignored").text) == ["OrderLocked"]
    assert "OrderLocked ignored" in text_of(client.get("/?state=all").text)


def test_what_came_back_is_marked(client: Client, index: FakeIndex) -> None:
    """A group that was resolved and came back says so."""
    assert "came back" not in text_of(client.get("/").text)
    index.regressed.add(KEY)
    assert "KeyError came back" in text_of(client.get("/").text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("service=stock", {"ConnectTimeout"}),
        ("release=41", {"ConnectTimeout"}),
        ("route=/checkout", {"NoExchangeRate", "TimeoutError"}),
        ("route=stock.refresh", {"ConnectTimeout"}),
        ("text=QUEUEPOOL", {"TimeoutError"}),
        ("type=KeyError", {"KeyError"}),
        ("classifier=shop.orders.OrderLocked", {"OrderLocked"}),
        ("attribute=shop.currency%3DCHF", {"NoExchangeRate"}),
        ("attribute=supplier", {"ConnectTimeout"}),
        ("attribute=shop.channel%3Dapp&attribute=service.name%3Dshop", {"OrderLocked"}),
        ("last=hour", {"NoExchangeRate", "TimeoutError"}),
        ("text=nothing+like+it", set()),
    ],
)
def test_filters(client: Client, query: str, expected: set[str]) -> None:
    """Each filter leaves those groups that fit."""
    answer = client.get(f"/?{query}")
    assert answer.status_code == 200
    assert set(names(answer.text)) == expected


def test_a_time_of_ones_own(client: Client, index: FakeIndex) -> None:
    """From and to, in UTC, leave out what happened before and after."""
    since = index.now - timedelta(hours=160)
    until = index.now - timedelta(hours=100)
    client.get("/", params={"since": f"{since:%Y-%m-%dT%H:%M}", "until": until.isoformat()})
    wanted = index.asked[0]
    assert wanted.since == since.replace(second=0, microsecond=0)
    assert wanted.until == until


def test_the_last_bar_of_the_last_hour_ends_now(client: Client, index: FakeIndex) -> None:
    """With a range that ends now, nothing later than now is asked for."""
    client.get("/?last=hour")
    wanted = index.asked[0]
    assert wanted.since is not None
    assert wanted.until is not None
    assert wanted.until - wanted.since == timedelta(hours=1)


def test_empty_fields_of_the_form_leave_no_trace(client: Client) -> None:
    """A form sends all its fields; its URL has those that are filled."""
    answer = client.get("/?text=&service=shop&release=&route=&attribute=")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?service=shop")


def test_the_form_keeps_what_it_has_no_field_for(client: Client) -> None:
    """State, time and attributes stay when the form is sent."""
    page = client.get("/?state=all&last=week&attribute=supplier&page=1").text
    form = page[page.index('<form id="filters"') :].partition("</form>")[0]
    hidden = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form)
    assert hidden == [("state", "all"), ("last", "week"), ("attribute", "supplier")]


def test_each_filter_can_be_taken_away(client: Client) -> None:
    """A filter that holds is named, and its link leaves all others."""
    page = client.get("/?service=shop&attribute=shop.channel%3Dapp&last=day").text
    [away] = re.findall(r'href="([^"]*)" aria-label="Remove the filter service shop"', page)
    assert query_of(html.unescape(away)) == {"attribute": ["shop.channel=app"], "last": ["day"]}


def test_values_to_choose_from(client: Client) -> None:
    """Services, releases and routes that there are can be chosen."""
    page = client.get("/").text
    assert '<datalist id="service-values"><option value="shop">' in page
    assert '<option value="2026.11.2">' in page
    assert '<option value="/checkout">' in page


def test_values_to_choose_from_are_counted_once_a_minute(index: FakeIndex) -> None:
    """Counting them takes long in a big store, so the next pages show the same ones."""
    now = [0.0]
    choices = Choices(index, clock=lambda: now[0])
    assert set(choices.get()["service"]) == {"shop", "stock", "import"}
    index.all = []
    now[0] = 59.0
    assert set(choices.get()["service"]) == {"shop", "stock", "import"}
    now[0] = 60.0
    assert choices.get()["service"] == ()


def test_pages_of_groups(index: FakeIndex, client: Client) -> None:
    """Fifty groups a page, with links to older and newer ones that keep the filters."""
    index.all = [
        made(f"shop.Error{number}", "too many", index.now - timedelta(minutes=number))
        for number in range(120)
    ]
    first = client.get("/?text=too+many").text
    assert "1 to 50 of 120 kinds of error" in text_of(first)
    [older] = [link for link in links(first) if "page=" in link]
    assert query_of(older) == {"text": ["too many"], "page": ["2"]}
    second = client.get(older).text
    assert names(second)[0] == "Error50"
    assert [query_of(link) for link in links(second) if "Newer" in second][-2:] == [
        {"text": ["too many"]},
        {"text": ["too many"], "page": ["3"]},
    ]
    assert "There is no such page" in client.get("/?page=9").text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "No error is open. Show those in any state"),
        ("?state=all", "There are no snapshots yet"),
        ("?service=none", "No open error fits. Without filters and time · in any state"),
    ],
)
def test_nothing_to_show(query: str, words: str, client: Client, index: FakeIndex) -> None:
    """An empty page says why it is empty and leads on."""
    index.all = []
    assert words in text_of(client.get(f"/{query}").text)


def test_a_group_leads_to_its_page_with_the_filters(client: Client) -> None:
    """The state is no filter of a group's page, the others are."""
    page = client.get("/?state=all&service=shop&last=day").text
    assert f"/groups/{RATE}?service=shop&last=day" in links(page)


# --- a group ---


def test_what_snapshots_have_in_common(client: Client) -> None:
    """Attributes with one value in all come first, the others as a spread."""
    words = text_of(client.get(f"/groups/{RATE}").text)
    assert "http.route /checkout 42 of 42" in words
    assert re.search(r"shop\.country CH \d\d of 42", words)
    assert words.index("http.route /checkout") < words.index("shop.country")


def test_attributes_that_differ_in_each(client: Client, index: FakeIndex) -> None:
    """A request's id tells nothing of a group, so it is only named."""
    index.all = [
        made("shop.E", "m", index.now - timedelta(minutes=n), attributes={"request.id": f"r{n}"})
        for n in range(5)
    ]
    words = text_of(client.get(f"/groups/{fingerprint_of('shop.E')}").text)
    assert "Another one in each: request.id" in words
    assert "r3" not in words


def test_attributes_that_some_lack(client: Client, index: FakeIndex) -> None:
    """It is said how many snapshots do not have an attribute, and how many values are not shown."""
    index.all = [
        made("shop.E", f"m{n}", index.now - timedelta(minutes=n),
             attributes={"a": "x"} if n < 3 else {"b": f"v{n % 7}"})
        for n in range(31)
    ]  # fmt: skip
    words = text_of(client.get(f"/groups/{fingerprint_of('shop.E')}").text)
    assert "a x 3 of 31 28 without it" in words
    assert "2 more values · 3 without it" in words


def test_a_value_leads_to_the_snapshots_that_have_it(client: Client) -> None:
    """One click narrows the page to a value; the number of snapshots is then that of the value."""
    page = client.get(f"/groups/{RATE}?last=day").text
    [narrower] = [link for link in links(page) if "shop.country%3DLI" in link]
    assert query_of(narrower) == {"last": ["day"], "attribute": ["shop.country=LI"]}
    many = re.search(r"LI (\d+) of 42", text_of(page))
    assert many is not None
    assert f"in {many[1]} snapshot" in text_of(client.get(narrower).text)


def test_what_changed_with_the_release(client: Client) -> None:
    """How often it came in each release, and in which it was first seen."""
    page = client.get(f"/groups/{POOL}").text
    releases = text_of(page[page.index("By release") : page.index('<section id="snapshots"')])
    assert re.match(
        r"By release 2026\.11\.2 [\d,]+ errors? last \d+ min ago "
        r"2026\.11\.1 first seen in it [\d,]+ errors? last \d d ago",
        releases,
    )


def test_releases_are_asked_for_together(client: Client, index: FakeIndex) -> None:
    """However many releases there are, the store is asked as often."""
    asked = []
    for many in (1, 5):
        index.all = [
            made("shop.E", f"m{n}", index.now - timedelta(minutes=n),
                 attributes={"service.version": f"{n % many}"})
            for n in range(10)
        ]  # fmt: skip
        index.asked.clear()
        page = client.get(f"/groups/{fingerprint_of('shop.E')}").text
        section = page[page.index("By release") : page.index('<section id="snapshots"')]
        assert section.count("<li>") == many
        asked.append(len(index.asked))
    assert asked[0] == asked[1]


def test_no_release_is_known(client: Client, index: FakeIndex) -> None:
    """Without the attribute the page says how to give it."""
    index.all = [made("shop.E", "m", index.now)]
    words = text_of(client.get(f"/groups/{fingerprint_of('shop.E')}").text)
    assert "No snapshot tells its release" in words


def test_snapshots_of_a_group(client: Client, index: FakeIndex) -> None:
    """All of them are listed, page by page, the newest first."""
    first = client.get(f"/groups/{LOCKED}").text
    ids = [link for link in links(first) if link.startswith("/snapshots/")]
    [older] = [link for link in links(first) if "before=" in link]
    second = client.get(older).text
    ids += [link for link in links(second) if link.startswith("/snapshots/")]
    latest = ids.pop(0)
    rest = [each for each in ids if each != latest or ids.index(each) == 0]
    expected = [each.id for each in index.all if each.reason.fingerprint == LOCKED]
    assert list(dict.fromkeys(rest)) == [f"/snapshots/{each}" for each in expected]


def test_a_message_that_differs_is_shown(client: Client) -> None:
    """Of snapshots whose message is that of the group it is not repeated."""
    page = client.get(f"/groups/{LOCKED}").text
    shown = re.findall(r'<p class="said-by">(order \d+)', page)
    title = re.search(r'<p class="message">(order \d+)', page)
    assert len(shown) > 40
    assert title is not None
    assert title[1] not in shown


def test_the_state_and_how_to_change_it(client: Client, index: FakeIndex) -> None:
    """The page is to be read only; it says by which command the state is changed."""
    assert f"bcd state {RATE} resolved" in client.get(f"/groups/{RATE}").text
    index.states[RATE] = "resolved"
    assert f"bcd state {RATE} open" in client.get(f"/groups/{RATE}").text


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("--folder '/srv/my shop'", "resolved --folder &#39;/srv/my shop&#39;</code>"),
        ("--folder '/\udcff<b>'", "&lt;b&gt;"),
        ('--store "$BCD_STORE"', "resolved --store &#34;$BCD_STORE&#34;</code>"),
    ],
)
def test_the_command_names_the_store(index: FakeIndex, place: str, shown: str) -> None:
    """Where the store is none that `bcd state` takes by itself, its options are told."""
    open_to_all = Access(token=None, hosts=None)
    client = Client(application(index, open_to_all, place=place), "http://viewer.test")
    assert shown in client.get(f"/groups/{RATE}").text
    client.close()


def test_a_group_none_of_whose_snapshots_fits(client: Client) -> None:
    """The group is there, and the page leads to all its snapshots."""
    answer = client.get(f"/groups/{RATE}?service=stock")
    assert answer.status_code == 200
    assert "No snapshot of this error fits." in text_of(answer.text)
    assert f"/groups/{RATE}" in links(answer.text)


@pytest.mark.parametrize(
    "name", ["0" * 16, RATE[:8], RATE.upper(), "..%2f..%2fetc%2fpasswd", "%00", "x" * 3000]
)
def test_no_such_group(client: Client, name: str) -> None:
    """What is the name of no group is not found, or is not even a URL."""
    answer = client.get(f"/groups/{name}")
    assert answer.status_code in (400, 404)
    assert "<h1>" in answer.text


# --- a snapshot ---


def test_a_snapshot_with_a_way_back(client: Client, index: FakeIndex) -> None:
    """The page of the report, with links to its group, its document and a file of it."""
    snapshot = index.all[0]
    answer = client.get(f"/snapshots/{snapshot.id}")
    assert "no rate for &#39;CHF&#39; today" in answer.text
    for link in ("/", f"/groups/{snapshot.reason.fingerprint}", f"/snapshots/{snapshot.id}.json"):
        assert link in links(answer.text)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "script-src 'sha256-" in html.unescape(answer.text)


def test_the_document_of_a_snapshot(client: Client, index: FakeIndex) -> None:
    """It comes as it was written."""
    answer = client.get(f"/snapshots/{index.all[3].id}.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["id"] == index.all[3].id


def test_the_page_as_a_file(client: Client, index: FakeIndex) -> None:
    """What is handed out stands alone: no link of it leads to the viewer."""
    wanted = index.all[0].id
    answer = client.get(f"/snapshots/{wanted}.html")
    assert answer.headers["content-disposition"] == f'attachment; filename="{wanted}.html"'
    assert not [link for link in links(answer.text) if link.startswith("/")]


@pytest.mark.parametrize(
    "name",
    ["latest", "01KAQ7T3M8", "0" * 26, "%2fetc%2fpasswd", "..%2f..%2fx.bcd.json", "a.bcd.json"],
)
@pytest.mark.parametrize("end", ["", ".json", ".html"])
def test_no_such_snapshot(client: Client, index: FakeIndex, name: str, end: str) -> None:
    """Whole ids alone are looked for: no begin of one, no path, no other name."""
    asked: list[str] = []
    index.before_answer = lambda: asked.append("find")
    answer = client.get(f"/snapshots/{name}{end}")
    assert answer.status_code == 404
    assert (asked == ["find"]) == (name == "0" * 26)

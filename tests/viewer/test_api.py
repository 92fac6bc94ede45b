"""What programs are told, and that the description of it is right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from openapi_spec_validator import validate

import bcd.viewer
from bcd.viewer.query import FILTERS
from tests.viewer.snapshots import fingerprint_of

if TYPE_CHECKING:
    from tests.viewer.client import Client
    from tests.viewer.fake_index import FakeIndex

RATE = fingerprint_of("shop.payment.NoExchangeRate")
LOCKED = fingerprint_of("shop.orders.OrderLocked")
DESCRIPTION = json.loads(
    (Path(bcd.viewer.__file__).parent / "assets" / "openapi.json").read_bytes()
)


def check(answer: Any, path: str, status: int = 200) -> None:
    """See whether an answer is as described for its path."""
    described = DESCRIPTION["paths"][path]["get"]["responses"][str(status)]
    if "$ref" in described:
        described = DESCRIPTION["components"]["responses"][described["$ref"].rpartition("/")[2]]
    [content] = described["content"].values()
    schema = {**content["schema"], "components": DESCRIPTION["components"]}
    jsonschema.validate(answer, schema)


def test_the_description_is_valid(client: Client) -> None:
    """It is OpenAPI 3.1, and the viewer hands it out."""
    validate(DESCRIPTION)  # type: ignore[arg-type]
    assert client.get("/api/openapi.json").json() == DESCRIPTION


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/groups", {"fingerprint", "state", "limit", "offset"}),
        ("/api/groups/{fingerprint}", set()),
        ("/api/snapshots", {"fingerprint", "limit", "before"}),
    ],
)
def test_all_parameters_are_described(client: Client, path: str, more: set[str]) -> None:
    """Each parameter that is taken is in the description, and no other."""
    listed = DESCRIPTION["paths"][path]["get"]["parameters"]
    named = {each["$ref"].rpartition("/")[2] for each in listed if "$ref" in each}
    assert named == FILTERS | more
    refused = client.get(path.format(fingerprint=RATE) + "?colour=red").json()
    assert set(refused["detail"].partition("there is ")[2].split("there is ")[-1].split(", ")) == (
        FILTERS | more
    )


def test_groups(client: Client, index: FakeIndex) -> None:
    """The same groups as on the page, with their numbers."""
    index.states[LOCKED] = "ignored"
    answer = client.get("/api/groups?state=all&limit=2&last=day").json()
    check(answer, "/api/groups")
    assert [each["type"] for each in answer["groups"]] == [
        "shop.payment.NoExchangeRate",
        "sqlalchemy.exc.TimeoutError",
    ]
    first = answer["groups"][0]
    assert first["count"] == 42
    assert sum(first["activity"]) == first["count"] + first["suppressed"]
    assert answer["total"] == 5
    assert client.get("/api/groups?state=ignored").json()["groups"][0]["fingerprint"] == LOCKED


def test_groups_go_on(client: Client) -> None:
    """With an offset those follow that were left out before."""
    whole = client.get("/api/groups").json()["groups"]
    parts = [client.get(f"/api/groups?limit=1&offset={n}").json()["groups"] for n in range(9)]
    assert [each for part in parts for each in part] == whole


def test_a_group(client: Client) -> None:
    """A group's numbers, what its attributes have in common, and its releases."""
    answer = client.get(f"/api/groups/{RATE}").json()
    check(answer, "/api/groups/{fingerprint}")
    assert answer["attributes"]["http.route"] == {"/checkout": 42}
    assert [(each["release"], each["first"]) for each in answer["releases"]] == [
        ("2026.11.2", True)
    ]


def test_a_group_of_which_nothing_fits(client: Client) -> None:
    """The group is known, and has nothing of what was asked for."""
    answer = client.get(f"/api/groups/{RATE}?service=none").json()
    check(answer, "/api/groups/{fingerprint}")
    assert (answer["count"], answer["suppressed"], sum(answer["activity"])) == (0, 0, 0)
    assert (answer["attributes"], answer["releases"]) == ({}, [])


def test_snapshots_one_page_after_the_other(client: Client, index: FakeIndex) -> None:
    """``next`` leads through all of them, each once."""
    found, further = [], ""
    while further is not None:
        answer = client.get(f"/api/snapshots?limit=50&before={further}").json()
        check(answer, "/api/snapshots")
        found += [each["id"] for each in answer["snapshots"]]
        further = answer["next"]
    assert found == [each.id for each in index.all]
    assert answer["total"] == len(found)


def test_no_location_is_told(client: Client) -> None:
    """Where a snapshot lies on the server's disk is nobody's business."""
    for path in ("/api/snapshots", "/api/groups", f"/groups/{RATE}", "/"):
        assert "/secret" not in client.get(path).text


def test_a_snapshot(client: Client, index: FakeIndex) -> None:
    """The document, whole."""
    answer = client.get(f"/api/snapshots/{index.all[0].id}").json()
    check(answer, "/api/snapshots/{id}")
    assert answer["exception"]["list"][0]["type"] == "shop.payment.NoExchangeRate"


BAD = [
    ("limit=0", "limit is a number from 1 to 1,000"),
    ("limit=1001", "limit is a number from 1 to 1,000"),
    ("limit=99999999999999999999", "limit is a number"),
    ("limit=-1", "limit is a number"),
    ("limit=1e3", "limit is a number"),
    ("limit=%D9%A3", "limit is a number"),
    ("offset=1000001", "offset is a number from 0 to 1,000,000"),
    ("state=closed", "state is one of open, resolved, ignored, all"),
    ("last=year", "last is one of hour, day, week"),
    ("last=day&since=2026-01-01", "either last or since and until"),
    ("since=yesterday", "since is a time such as"),
    ("since=0001-01-01T00:00%2B14:00", "since is a time such as"),
    ("until=2026-02-30", "until is a time such as"),
    ("since=2026-02-02&until=2026-02-01", "since has to be before until"),
    ("service=a&service=b", "service is given twice"),
    ("fingerprint=abc", "fingerprint is 16 digits"),
    ("attribute==x", "attribute is key=value"),
    ("attribute=a%3D1&attribute=a%3D2", "attribute a is given twice"),
    ("&".join(f"attribute=k{n}" for n in range(11)), "more than 10 attributes"),
    ("&".join(f"attribute=k{n}" for n in range(60)), "more than 40 parameters"),
    ("text=" + "x" * 501, "text is longer than 500"),
    ("text=a%00b", "text has a NUL in it"),
    ("text=%FF", "no UTF-8"),
    ("colour=red", "there is no parameter 'colour' here"),
]


@pytest.mark.parametrize(("query", "words"), BAD)
def test_what_cannot_be_understood(client: Client, query: str, words: str) -> None:
    """A wrong parameter is an error that says which one it is and what is accepted."""
    answer = client.get(f"/api/groups?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    check(answer.json(), "/api/groups", 400)
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("query", "words"), BAD)
def test_the_same_on_a_page(client: Client, query: str, words: str) -> None:
    """People get a page with the same words; the parameters of programs are not theirs."""
    answer = client.get(f"/?{query}")
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    foreign = query.partition("=")[0] in ("limit", "offset", "fingerprint")
    assert ("there is no parameter" if foreign else words) in answer.text.replace("&#39;", "'")


def test_a_time_whose_plus_nobody_escaped(client: Client, index: FakeIndex) -> None:
    """A plus in a URL is a space, which an offset is understood with all the same."""
    client.get("/api/groups?since=2026-11-25T03:00:00+01:00")
    since = index.asked[-1].since
    assert since is not None
    assert since.isoformat() == "2026-11-25T02:00:00+00:00"

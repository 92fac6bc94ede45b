"""Who gets in, by which names, and what a browser is told to forbid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bcd.viewer.access import COOKIE, SESSION_S, Access
from tests.viewer.conftest import TOKEN

if TYPE_CHECKING:
    from tests.viewer.client import Client
    from tests.viewer.fake_index import FakeIndex

PATHS = ["/", "/groups/0123456789abcdef", "/snapshots/x", "/snapshots/x.json", "/api/groups",
         "/api/openapi.json", "/nowhere", "/logout"]  # fmt: skip


# --- tokens ---


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"Cookie": f"{COOKIE}=99999999999.abc"},
        {"Cookie": "=;;\x7f"},
    ],
)
def test_no_page_without_the_token(
    locked: Client, index: FakeIndex, path: str, headers: dict[str, str]
) -> None:
    """Nothing is told, and nothing asked of the store."""
    answer = locked.get(path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert index.asked == []
    assert TOKEN not in answer.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_program_shows_the_token(locked: Client, scheme: str) -> None:
    """A bearer header lets it in."""
    assert locked.get("/api/groups", headers={"Authorization": f"{scheme} {TOKEN}"}).is_success


@pytest.mark.parametrize("text", ["Bearer \xff\xfe".encode("latin-1"), b"Bearer \xc3\xbc" * 99])
def test_a_token_of_other_letters_is_wrong(locked: Client, text: bytes) -> None:
    """Bytes that are no ASCII are compared, not stumbled over."""
    assert locked.get("/api/groups", headers={"Authorization": text}).status_code == 401


def test_a_browser_signs_in_and_out(locked: Client) -> None:
    """The page that was asked for is a form; the token leads on to it, by a cookie."""
    form = locked.get("/?service=shop")
    assert 'name="next" value="/?service=shop"' in form.text
    answer = locked.post("/login", data={"token": f" {TOKEN}\n", "next": "/?service=shop"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/?service=shop")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert "Sign out" in locked.get("/").text
    assert locked.post("/logout").status_code == 303
    assert locked.get("/").status_code == 401


def test_behind_tls_the_cookie_is_for_tls_alone(locked: Client) -> None:
    """A proxy says how the browser came; without one the cookie has to do without."""
    form = {"token": TOKEN}
    secure = locked.post("/login", data=form, headers={"X-Forwarded-Proto": "https"})
    plain = locked.post("/login", data=form)
    assert "secure" in secure.headers["set-cookie"].lower()
    assert "secure" not in plain.headers["set-cookie"].lower()


def test_a_wrong_token(locked: Client) -> None:
    """The form says so, and keeps where the reader wanted to go."""
    answer = locked.post("/login", data={"token": "guess", "next": "/x"})
    assert answer.status_code == 401
    assert "That is not the token." in answer.text
    assert 'value="/x"' in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "", "/\r\nX: 1", "x"]
)
def test_signing_in_leads_nowhere_else(locked: Client, target: str) -> None:
    """A target outside of the viewer is its first page."""
    answer = locked.post("/login", data={"token": TOKEN, "next": target})
    assert answer.headers["location"] == "/"


def test_a_page_from_elsewhere_cannot_sign_in(locked: Client) -> None:
    """A browser says where a form comes from."""
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = locked.post("/login", data={"token": TOKEN}, headers=foreign)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("body", "status"), [(b"token=" + b"x" * 9000, 413), (b"\xff\x00%", 401), (b"a&" * 4000, 401)]
)
def test_odd_forms(locked: Client, body: bytes, status: int) -> None:
    """What is no form of ours is wrong, and bounded."""
    assert locked.post("/login", content=body).status_code == status


def test_a_cookie_ends() -> None:
    """A browser is known for some hours, and by one token."""
    now = [1_000.0]
    access = Access(token=TOKEN, hosts=None, clock=lambda: now[0])
    cookie = f"a=b; {COOKIE}={access.new_session()}"
    assert access.admits("", cookie)
    assert not Access(token=TOKEN + "2", hosts=None, clock=lambda: now[0]).admits("", cookie)
    now[0] += SESSION_S
    assert not access.admits("", cookie)


def test_the_token_is_in_no_repr() -> None:
    """What prints an Access does not print the token."""
    assert TOKEN not in repr(Access(token=TOKEN, hosts=None))


def test_without_a_token_there_is_nothing_to_sign_in_to(client: Client) -> None:
    """The form leads on, and no page offers to sign out."""
    assert client.get("/login").headers["location"] == "/"
    assert "Sign out" not in client.get("/").text


# --- names of this host ---


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9", "127.0.0.1:8432", "[::1]:80", "LOCALHOST"]
)
def test_names_of_this_machine(client: Client, host: str) -> None:
    """Any port will do: it may have been forwarded."""
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8432", "localhost.evil.example",
     "127.0.0.1.evil.example:8432", "", "[::2]:80", "localhost:x"],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/api/groups", "/snapshots/x.json"])
def test_names_of_others(client: Client, index: FakeIndex, host: str, path: str) -> None:
    """A page whose name was led to this machine cannot read what the viewer shows."""
    assert client.get(path, headers={"Host": host}).status_code == 421
    assert index.asked == []


@pytest.mark.parametrize("host", ["[::1", "a b", "\\", "x" * 5000, "%00", "user@host:1:2"])
@pytest.mark.parametrize("path", ["/", "/groups/0123456789abcdef?text=", "/login", "/nowhere"])
def test_odd_names_do_no_harm(locked: Client, host: str, path: str) -> None:
    """Where any name will do, nothing is made of it."""
    right = {"Authorization": f"Bearer {TOKEN}"}
    for headers in ({}, right):
        answer = locked.get(path, headers={"Host": host, **headers})
        assert answer.status_code in (200, 303, 401, 404)
        assert host not in answer.text
        assert host not in answer.headers.get("location", "")


# --- headers and methods ---


@pytest.mark.parametrize("path", ["/", "/api/groups", "/nowhere", "/?limit=x", "/health",
                                  "/assets/viewer.css", "/login"])  # fmt: skip
def test_headers_of_every_answer(client: Client, path: str) -> None:
    """Nothing is kept, framed, sniffed, referred to or loaded from elsewhere."""
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_no_page_has_a_style_or_a_script_in_it(client: Client) -> None:
    """What the policy forbids is not there: both are files."""
    for path in ("/?last=day", "/nowhere", "/groups/" + "0" * 16):
        page = client.get(path).text
        assert " style=" not in page
        assert "<style" not in page
        assert " on" + "click" not in page
        assert page.count("<script") == page.count('<script src="/assets/viewer.js">') == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
@pytest.mark.parametrize("path", ["/", "/api/groups", "/health", "/snapshots/x"])
def test_there_is_nothing_but_reading(client: Client, method: str, path: str) -> None:
    """Every other method is refused, and the answer says which ones there are."""
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/api/groups", "/health"])
def test_head_is_get_without_a_body(client: Client, path: str) -> None:
    """Whoever only looks whether a page is there may."""
    assert client.request("HEAD", path).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/assets/openapi.json", "/assets/..%2fapplication.py", "/assets/%2e%2e/x", "/static/x",
     "/groups/", "/snapshots/a/b", "/favicon.ico", "/%00", "/\u202e"],
)  # fmt: skip
def test_there_is_nothing_else(client: Client, path: str) -> None:
    """No file but the three of the pages is handed out."""
    assert client.get(path).status_code in (400, 404)


def test_a_url_that_is_too_long(client: Client) -> None:
    """It is refused before anything reads it."""
    assert client.get("/?text=" + "x" * 5000).status_code == 414
    assert client.get("/" + "x" * 5000).status_code == 414

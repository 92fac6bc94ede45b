"""``bcd serve`` as a program: how it starts, what it listens to, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from tests.polling import PATIENCE, poll
from tests.viewer.conftest import TOKEN
from tests.viewer.served import PROGRAM, Line, Served, serving, written
from tests.viewer.snapshots import documents, fingerprint_of, made, shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.server

NOW = datetime.now(UTC)
RATE = fingerprint_of("shop.payment.NoExchangeRate")


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    written(folder, documents(shop(NOW)))
    return folder


@pytest.fixture(name="served", scope="module")
def _served(folder: Path) -> Iterator[Served]:
    with serving("--folder", str(folder)) as served:
        yield served


def refused(*arguments: str, **variables: str) -> str:
    """Start it in vain; return the one line that it says."""
    environment = {**os.environ, "BCD_STORE": "", "BCD_TOKEN": "", **variables}
    ran = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, env=environment,
                         timeout=PATIENCE, check=False)  # fmt: skip
    assert ran.returncode in (1, 2)
    assert ran.stdout == ""
    assert re.fullmatch(r"bcd: [^\n]*\n", ran.stderr), ran.stderr
    return ran.stderr


# --- a folder ---


def test_the_pages_of_a_folder(served: Served, folder: Path) -> None:
    """From the groups to a group to its newest snapshot, over the real store."""
    groups = httpx.get(served.url)
    assert re.search(r"<b>1,\d+</b>", groups.text)
    group = httpx.get(served.url + f"groups/{RATE}")
    [latest, *_] = re.findall(r'href="(/snapshots/\w+)"', group.text)
    assert f"bcd state {RATE} resolved --folder {folder}</code>" in group.text
    assert "no rate for &#39;CHF&#39; today" in httpx.get(served.url + latest[1:]).text
    assert httpx.get(served.url + latest[1:] + ".json").json()["format"] == 1
    assert httpx.get(served.url + "health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("service=stock", ["ConnectTimeout"]),
        ("route=/checkout&last=day", ["NoExchangeRate", "TimeoutError"]),
        ("text=queuepool", ["TimeoutError"]),
        ("attribute=shop.country%3DLI", ["NoExchangeRate"]),
        ("text=%25", []),
        ("text='+OR+1%3D1+--", []),
        ("attribute=a'%3B+DROP+TABLE+bcd_snapshot%3B%3Db", []),
    ],
)
def test_filters_of_the_real_store(served: Served, query: str, types: list[str]) -> None:
    """Filters find what they find in memory; what is SQL elsewhere is text."""
    found = httpx.get(f"{served.url}api/groups?{query}").json()["groups"]
    assert [each["type"].rpartition(".")[2] for each in found] == types


def test_what_comes_is_seen(tmp_path: Path) -> None:
    """A folder may come to be later, and each new snapshot is on the next page."""
    folder = tmp_path / "later"
    with serving("--folder", str(folder)) as served:
        assert "No error is open" in httpx.get(served.url).text
        assert httpx.get(served.url + "health").json() == {"status": "ok"}
        folder.mkdir(mode=0o700)
        written(folder, documents([made("shop.First", "m", NOW)]))
        assert "First" in httpx.get(served.url).text
        written(folder, documents([made("shop.Second", "m", NOW)]))
        assert "Second" in poll(lambda: _with(served.url, "Second"), "the second error")


def _with(url: str, words: str) -> str:
    text = httpx.get(url).text
    return text if words in text else ""


def test_damaged_files_do_no_harm(tmp_path: Path) -> None:
    """What can be read is shown; the page of what cannot says so."""
    written(tmp_path, documents([made("shop.Fine", "m", NOW)]))
    broken = "01KAQ7T3M8Q9ZV4X1J6C5R2DWN"
    written(tmp_path, iter([(broken, b'{"format": 1')]))
    with serving("--folder", str(tmp_path)) as served:
        page = httpx.get(served.url).text
        assert "Fine" in page
        assert "1 file cannot be read" in page
        assert f"{broken}.bcd.json: no JSON" in page
        answer = httpx.get(f"{served.url}snapshots/{broken}")
        assert answer.status_code == 500
        assert "no JSON" in answer.text


def test_a_folder_that_cannot_be_read_any_more(tmp_path: Path) -> None:
    """It is said, health too, and all is well again when the folder is."""
    folder = tmp_path / "shop"
    folder.mkdir(mode=0o700)
    written(folder, documents([made("shop.Fine", "m", NOW)]))
    with serving("--folder", str(folder)) as served:
        folder.rename(tmp_path / "away")
        folder.write_text("no folder")
        for path in ("", f"groups/{RATE}", "api/groups", "health"):
            assert httpx.get(served.url + path).status_code == 503
        folder.unlink()
        (tmp_path / "away").rename(folder)
        assert "Fine" in httpx.get(served.url).text
        assert httpx.get(served.url + "health").status_code == 200


# --- how it starts ---


def test_a_port_that_is_taken(served: Served, folder: Path) -> None:
    """The error names address and port."""
    port = urlsplit(served.url).port
    said = refused("--folder", str(folder), "--port", str(port))
    assert f"127.0.0.1 port {port} cannot be served: address already in use" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])  # noqa: S104 - to be refused
def test_no_other_address_without_a_token(host: str, folder: Path) -> None:
    """What others reach needs a token; the error offers a new one each time."""
    said = {refused("--folder", str(folder), "--host", host) for _ in range(2)}
    assert all(f"{host} can be reached from other machines" in each for each in said)
    assert len(said) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"short", "16 to 1024 visible characters"),
        (b"", "16 to 1024 visible characters"),
        (b"x" * 2000, "16 to 1024 visible characters"),
        (b"two words that are long", "16 to 1024 visible characters"),
        (b"\xff\xfe" * 20, "16 to 1024 visible characters"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_tokens_that_are_none(tmp_path: Path, content: bytes | None, words: str) -> None:
    """A token that can be guessed, typed wrong or not be sent is refused; it is not printed."""
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    said = refused("--token-file", str(file))
    assert words in said
    assert "two words" not in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "no.such.host.invalid"], "there is no host 'no.such.host.invalid'"),
        (["--host", "192.0.2.1"], "192.0.2.1 port 8432 cannot be served"),
        (["--port", "70000"], "--port"),
        (["--store", "mysql://x/y"], "a store of the kind 'mysql' is not known"),
        (["--store", "postgresql://u:secret@127.0.0.1:1/x"], "connection failed"),
        (["--folder", "/dev/null"], "/dev/null"),
    ],
)
def test_what_cannot_be_served(arguments: list[str], words: str) -> None:
    """One line says what is wrong; no password is in it."""
    said = refused(*arguments, BCD_TOKEN=TOKEN)
    assert words in said
    assert "secret" not in said


@pytest.mark.parametrize("missing", ["starlette", "uvicorn", "jinja2", "sqlalchemy"])
def test_without_what_it_needs(missing: str, folder: Path) -> None:
    """The error names what is missing and the command that installs it."""
    hidden = f"import sys; sys.modules[{missing!r}] = None; from bcd.cli import main; main()"
    command = [sys.executable, "-c", hidden, "serve", "--folder", str(folder), "--port", "0"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 1
    assert re.fullmatch(r"bcd: .*pip install 'bcd\[viewer\]'\n", ran.stderr), ran.stderr
    assert missing in ran.stderr


def test_with_a_token_others_are_served(tmp_path: Path, folder: Path) -> None:
    """A token in a file, for any address and any name; without it only health is told."""
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    with serving("--folder", str(folder), "--host", "0.0.0.0", "--token-file", str(file)) as served:  # noqa: S104 - with a token
        url = served.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - where it listens
        assert httpx.get(url + "api/groups").status_code == 401
        assert httpx.get(url + "health").status_code == 200
        right = {"Authorization": f"Bearer {TOKEN}", "Host": "bcd.example"}
        assert httpx.get(url + "api/groups", headers=right).status_code == 200


def test_a_name_of_another_is_refused(served: Served) -> None:
    """Over a real connection too."""
    assert httpx.get(served.url, headers={"Host": "evil.example"}).status_code == 421


def test_it_opens_a_browser(tmp_path: Path, folder: Path) -> None:
    """With --open the browser is led to it as soon as it answers."""
    noted = tmp_path / "noted"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {noted}.new && mv {noted}.new {noted}\n')
    browser.chmod(0o700)
    with serving("--folder", str(folder), "--open", BROWSER=str(browser)) as served:
        assert (
            poll(lambda: noted.exists() and noted.read_text(), "the browser") == served.url + "\n"
        )


# --- how it ends ---


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it(folder: Path, number: int) -> None:
    """It ends with success and says nothing, also with a connection that is kept open."""
    with serving("--folder", str(folder)) as served, httpx.Client() as client:
        assert client.get(served.url).status_code == 200
        assert served.end(number) == (0, "")


# --- odd connections ---


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"GET / HTTP/1.0\r\n\r\n", b"421"),
        (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 5000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000, b"400"),  # and no end
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"405"),
        (b"GET /../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
    ],
)
def test_odd_requests(served: Served, sent: bytes, status: bytes) -> None:
    """They are refused with a status of their own, and the next request is served."""
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE) as connection:
        connection.sendall(sent)
        assert connection.recv(4096).split(b" ")[1] == status
    assert httpx.get(served.url + "health").status_code == 200


# --- a database ---


@pytest.fixture(name="line")
def _line(database: str) -> Iterator[Line]:
    line = Line(database)
    yield line
    line.close()


def test_a_database_that_goes_and_comes(line: Line) -> None:
    """While it is gone the reader is told, and as soon as it is back everything is there."""
    with serving("--store", line.url) as served:
        assert "NoExchangeRate" in httpx.get(served.url).text
        group = httpx.get(f"{served.url}groups/{RATE}").text
        assert "resolved --store &#34;$BCD_STORE&#34;</code>" in group
        assert urlsplit(line.url).netloc not in group
        line.cut()
        answer = [httpx.get(served.url) for _ in range(3)][-1]
        assert answer.status_code == 503
        assert "Service Unavailable" in answer.text
        health = httpx.get(served.url + "health")
        assert (health.status_code, health.json()["status"]) == (503, "unavailable")
        line.mend()
        assert "NoExchangeRate" in httpx.get(served.url).text
        code, said = served.end()
    assert code == 0
    assert said.count("\n") == 1
    assert said.startswith("bcd: postgresql://")


def test_a_database_that_says_nothing_any_more(line: Line) -> None:
    """The reader is told within a bounded time, a signal ends the server, and nothing hangs."""
    with serving("--store", line.url) as served:
        assert httpx.get(served.url + "health").status_code == 200
        line.hold()
        begin = time.monotonic()
        answer = httpx.get(served.url + "api/groups", timeout=PATIENCE)
        assert answer.status_code == 503
        assert time.monotonic() - begin < 30
        assert httpx.get(served.url + "assets/viewer.css").status_code == 200
        begin = time.monotonic()
        assert served.end()[0] == 0
        assert time.monotonic() - begin < 30


@pytest.fixture(name="database", scope="module")
def _database() -> Iterator[str]:
    pytest.importorskip("psycopg")
    from bcd.store.sql.opening import open_database, upgrade_database
    from tests.postgresql import databases

    with databases(upgrade_database) as found:
        url = found.new()
        store = open_database(url)
        store.add(documents(shop(NOW - timedelta(minutes=1))))
        store.close()
        yield url

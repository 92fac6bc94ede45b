"""What the viewer does with a store that is slow, gone or damaged, and with its own errors."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from bcd.errors import SnapshotCorrupt, SnapshotTooNew, StoreError
from bcd.viewer.access import Access
from bcd.viewer.application import application
from tests.viewer.client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.viewer.fake_index import FakeIndex

PATHS = ["/", "/groups/0123456789abcdef", "/snapshots/01KAQ7T3M8Q9ZV4X1J6C5R2DWN", "/api/groups",
         "/api/snapshots", "/health"]  # fmt: skip


@pytest.fixture(name="hurried")
def _hurried(index: FakeIndex) -> Iterator[Client]:
    """A viewer without patience, before a store that hangs until the test is over."""
    over = threading.Event()
    index.before_answer = over.wait
    client = Client(application(index, Access(token=None, hosts=None), patience=0.05), "http://x")
    yield client
    over.set()
    client.close()


@pytest.mark.parametrize("path", PATHS)
def test_a_store_that_hangs(hurried: Client, path: str) -> None:
    """The reader is told after a bounded time, and when to try again."""
    answer = hurried.get(path)
    assert answer.status_code == 503
    if path != "/health":
        assert "the store did not answer within 0.05 s" in answer.text
        assert answer.headers["retry-after"] == "5"


def test_more_readers_than_threads(hurried: Client) -> None:
    """While the store hangs, no more threads wait for it than a few, and all readers are told."""
    before = threading.active_count()
    answers = [each for _ in range(3) for each in hurried.together(*["/"] * 30)]
    assert {each.status_code for each in answers} == {503}
    assert threading.active_count() - before <= 16
    assert hurried.get("/assets/viewer.css").status_code == 200


def test_a_store_that_comes_back(index: FakeIndex) -> None:
    """As soon as the store answers, so does the viewer, also with all its threads taken before."""
    over = threading.Event()
    index.before_answer = over.wait
    client = Client(application(index, Access(token=None, hosts=None), patience=0.5), "http://x")
    assert {each.status_code for each in client.together(*["/api/groups"] * 20)} == {503}
    over.set()
    assert client.get("/api/groups").status_code == 200
    client.close()


def test_no_thread_can_be_had(
    client: Client, index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the limit of a container the reader is told, and it takes no place from others."""
    del index

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr("bcd.viewer.asking.Thread.start", fail)
        answers = client.together(*["/"] * 20)
        assert {each.status_code for each in answers} == {503}
        assert "no thread can be started" in answers[0].text
    assert client.get("/").status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_a_store_that_fails(
    client: Client, index: FakeIndex, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader sees what the store says; whoever only asks after health does not."""

    def fail() -> None:
        raise StoreError("database shop at db:5432 cannot be reached; is it running?")

    index.before_answer = fail
    answer = client.get(path)
    assert answer.status_code == 503
    told = "database shop at db:5432 cannot be reached; is it running?"
    assert (told in answer.text) == (path != "/health")
    if path != "/health":
        assert capsys.readouterr().err == f"bcd: {told}\n"
    index.before_answer = lambda: None
    assert client.get("/health").json() == {"status": "ok"}


def test_an_outage_is_told_once(
    client: Client, index: FakeIndex, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many ask while the store does not answer, standard error has one line each time."""

    def fail() -> None:
        raise StoreError("database shop cannot be reached")

    for _ in range(2):
        index.before_answer = fail
        assert {each.status_code for each in client.together("/", *["/api/groups"] * 9)} == {503}
        assert client.get("/health").status_code == 503
        assert capsys.readouterr().err == "bcd: database shop cannot be reached\n"
        index.before_answer = lambda: None
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (SnapshotCorrupt("x.bcd.json: no JSON: it ends early"), 500),
        (SnapshotTooNew("written in format 9; update bcd"), 501),
    ],
)
@pytest.mark.parametrize("end", ["", ".json", ".html"])
def test_a_snapshot_that_cannot_be_read(
    client: Client, index: FakeIndex, error: Exception, status: int, end: str
) -> None:
    """The page says what is wrong with the file."""

    def fail() -> None:
        raise error

    index.before_answer = fail
    answer = client.get(f"/snapshots/{index.all[0].id}{end}")
    assert answer.status_code == status
    assert str(error) in answer.text


@pytest.mark.parametrize("path", PATHS)
def test_an_error_of_the_viewer_itself(
    client: Client, index: FakeIndex, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader gets a page without its words, standard error one line that says where."""

    def fail() -> None:
        raise ZeroDivisionError("a secret value")

    index.before_answer = fail
    answer = client.get(path)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    said = capsys.readouterr().err
    assert said.startswith(f"bcd: '{path}' failed with ZeroDivisionError in ")
    assert "test_trouble.py" in said
    assert said.count("\n") == 1

"""The forwarder by itself: with a store that fails on command, and time that a test moves."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.errors import StoreError
from bcd.store.delivery import Backoff
from bcd.store.forwarding import Forwarder
from bcd.store.kept import Folder
from bcd.store.sent import Sent
from tests.store.folders import made_id, names, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

HOUR = 3600
SMALL = b"{}"


class FakeAdded(NamedTuple):
    """What became of a batch."""

    new: int
    refused: dict[str, str]


class FakeStore:
    """Keeps ids, and fails as long as ``fails`` says so of a batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.ids: list[str] = []
        self.refuses: dict[str, str] = {}
        self.fails: Callable[[list[str]], bool] = lambda _: False

    def add(self, items: Iterable[tuple[str, bytes]]) -> FakeAdded:
        """Take a batch, or none of it."""
        batch = [snapshot_id for snapshot_id, _ in items]
        if self.fails(batch):
            raise StoreError("no answer")
        self.batches.append(batch)
        good = [each for each in batch if each not in self.refuses]
        new = [each for each in good if each not in self.ids]
        self.ids += new
        return FakeAdded(len(new), {each: self.refuses[each] for each in batch if each not in good})

    def close(self) -> None:
        """There is nothing to let go of."""


class FakePace:
    """Time that passes only when somebody waits, and what happens meanwhile."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waited: list[float] = []
        self.meanwhile: list[Callable[[], object]] = []
        self.ended = False

    def now(self) -> float:
        """That time."""
        return self.time

    def wait(self, seconds: float) -> bool:
        """Let something happen; end when nothing is left to happen."""
        if seconds == 0 or self.ended:
            return self.ended
        self.waited.append(seconds)
        self.time += seconds
        if not self.meanwhile:
            self.ended = True
        else:
            self.meanwhile.pop(0)()
        return self.ended


class FakeListener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.warnings: list[str] = []
        self.left = 0

    def said(self, sentence: str) -> None:
        """Note it."""
        self.sentences.append(sentence)

    def sent(self, new: int, size: int) -> None:
        """See that it makes sense."""
        assert 0 <= new <= size

    def damaged(self, sentence: str) -> None:
        """Note it."""
        self.warnings.append(sentence)

    def waiting(self, count: int) -> None:
        """Count them."""
        self.left = count

    def settled(self, count: int) -> None:
        """Count those that are left."""
        self.left -= count


class Bench:
    """A forwarder among fakes, and its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store, self.pace, self.listener = FakeStore(), FakePace(), FakeListener()
        self.connect: Callable[[], FakeStore] = lambda: self.store

    def forwarder(self, *, remove: bool = False, again: bool = False) -> Forwarder:
        """Make one as a program that starts would."""
        return Forwarder(
            str(self.folder),
            self.connect,
            "the store",
            pace=self.pace,
            listener=self.listener,
            sent=None if remove else Sent(str(self.folder), "the store", again=again),
            backoff=Backoff(0.5, 60.0, lambda: 1.0),
        )

    def put(self, number: int, content: bytes = SMALL) -> str:
        """Put a file into the folder; the fake store does not look into it."""
        snapshot_id = made_id(1_700_000_000 + number, kind=number)
        (self.folder / f"{snapshot_id}.bcd.json").write_bytes(content)
        return snapshot_id

    def rest(self) -> None:
        """Let the folder look as if nothing had happened there for an hour."""
        os.utime(self.folder, (time.time() - HOUR,) * 2)


@pytest.fixture(name="bench")
def _bench(tmp_path: Path) -> Bench:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    return Bench(folder)


def test_all_once_in_batches(bench: Bench) -> None:
    """All are sent, oldest first, so many at a time; the files stay."""
    ids = [bench.put(number) for number in range(300)]
    done = bench.forwarder().once()
    assert bench.store.ids == ids
    assert [len(batch) for batch in bench.store.batches] == [128, 128, 44]
    assert (done.new, done.already, done.waiting, done.failure) == (300, 0, 0, None)
    assert bench.listener.left == 0
    assert len([name for name in names(bench.folder) if name.endswith(".json")]) == 300


def test_a_batch_is_bounded_in_bytes(bench: Bench) -> None:
    """Of large files fewer are in one batch, so that memory is bounded."""
    for number in range(5):
        bench.put(number, bytes(9 << 20))
    bench.forwarder().once()
    assert [len(batch) for batch in bench.store.batches] == [2, 2, 1]


def test_what_was_sent_is_not_sent_again(bench: Bench) -> None:
    """Another run sends only what is new, even where the store has removed the rest since."""
    bench.put(1)
    bench.forwarder().once()
    bench.store.ids.clear()
    new = bench.put(2)
    assert bench.forwarder().once().new == 1
    assert bench.store.ids == [new]
    assert bench.forwarder(again=True).once().new == 1
    assert len(bench.store.ids) == 2


def test_the_store_is_the_truth(bench: Bench) -> None:
    """Where nobody remembers what was sent, the store does: nothing is in it twice."""
    ids = [bench.put(number) for number in range(3)]
    bench.forwarder().once()
    for note in bench.folder.glob(".sent-*"):
        note.unlink()
    done = bench.forwarder().once()
    assert (done.new, done.already) == (0, 3)
    assert bench.store.ids == ids


def test_removing(bench: Bench) -> None:
    """Files of what the store has are removed, those that it had before too."""
    bench.put(1)
    bench.forwarder().once()
    bench.put(2)
    done = bench.forwarder(remove=True).once()
    assert (done.new, done.already, done.removed) == (1, 1, 2)
    assert [name for name in names(bench.folder) if name.endswith(".json")] == []


def test_what_cannot_be_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was sent nevertheless, once; a line says that it stays."""
    for number in range(3):
        bench.put(number)

    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Folder, "remove", refuse)
    bench.pace.meanwhile = [lambda: None] * 5
    done = bench.forwarder(remove=True).watch()
    assert (done.new, done.already, done.removed) == (3, 0, 0)
    [warning] = bench.listener.warnings
    assert warning.endswith(".bcd.json was sent and cannot be removed: Permission denied")


# --- a store that does not answer ---


def test_a_store_that_is_down_for_an_hour(bench: Bench) -> None:
    """Waits grow up to a minute; two lines tell of it; then each is sent exactly once."""
    ids = [bench.put(number) for number in range(10)]
    ends = bench.pace.time + HOUR
    bench.store.fails = lambda _: bench.pace.time < ends
    bench.pace.meanwhile = [lambda: None] * 100
    done = bench.forwarder().watch()
    assert sorted(bench.store.ids) == ids
    assert (done.new, done.already) == (10, 0)
    assert bench.pace.waited[:9] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    down, up = bench.listener.sentences
    assert down == "no answer; 10 snapshots are kept until it takes them"
    assert up.startswith("the store takes snapshots again, after 36")


def test_a_store_that_cannot_be_opened_yet(bench: Bench) -> None:
    """Opening it is tried again like all else."""
    failures = iter([True, True, False])

    def connect() -> FakeStore:
        if next(failures):
            raise StoreError("refused")
        return bench.store

    bench.connect = connect
    bench.put(1)
    bench.pace.meanwhile = [lambda: None] * 5
    assert bench.forwarder().watch().new == 1
    assert len(bench.listener.sentences) == 2


def test_one_run_gives_up(bench: Bench) -> None:
    """A single run tries a few times, then says why and how many wait; nothing is noted as sent."""
    bench.put(1)
    bench.put(2)
    bench.store.fails = lambda _: True
    bench.pace.meanwhile = [lambda: None] * 9
    done = bench.forwarder().once()
    assert (done.failure, done.waiting, done.new) == ("no answer", 2, 0)
    assert len(bench.pace.waited) == 4
    assert bench.listener.sentences == []
    bench.store.fails = lambda _: False
    assert bench.forwarder().once().new == 2


def test_told_to_end_while_the_store_is_down(bench: Bench) -> None:
    """The wait ends at once, and what was not sent is counted."""
    bench.put(1)
    bench.store.fails = lambda _: True
    done = bench.forwarder().watch()
    assert (done.waiting, done.failure) == (1, None)


def test_one_that_the_store_fails_on(bench: Bench) -> None:
    """Should the store fail because of one snapshot, all others get there all the same."""
    ids = [bench.put(number) for number in range(300)]
    evil = ids[5]
    bench.store.fails = lambda batch: evil in batch
    bench.pace.meanwhile = [lambda: None] * 40
    done = bench.forwarder().watch()
    assert sorted(bench.store.ids) == sorted(set(ids) - {evil})
    assert done.waiting == 1


# --- files that cannot be sent ---


def test_damaged_ones_do_not_block(bench: Bench) -> None:
    """What the store refuses is named once and left; it is tried again when it has changed."""
    ids = [bench.put(number) for number in range(3)]
    bench.store.refuses = {ids[1]: "no JSON"}
    path = bench.folder / f"{ids[1]}.bcd.json"

    def mend() -> None:
        bench.store.refuses.clear()
        path.write_bytes(b"{} ")

    nothing: list[Callable[[], object]] = [lambda: None]
    bench.pace.meanwhile = [*nothing * 3, mend, *nothing * 62]
    done = bench.forwarder().watch()
    assert bench.listener.warnings == [f"{path}: no JSON"]
    assert bench.store.ids == [ids[0], ids[2], ids[1]]
    assert list(done.damaged) == [str(path)]
    assert path.exists()


def test_what_is_no_ordinary_file(bench: Bench, tmp_path: Path) -> None:
    """Links, pipes and folders with the name of a snapshot are not seen."""
    one, two, three = (made_id(number) for number in range(3))
    (bench.folder / f"{one}.bcd.json").symlink_to(put(tmp_path, one))
    os.mkfifo(bench.folder / f"{two}.bcd.json")
    (bench.folder / f"{three}.bcd.json").mkdir()
    (bench.folder / f".{three}.77.tmp").write_bytes(b"{")
    done = bench.forwarder().once()
    assert (done.new, done.damaged) == (0, {})


def test_a_file_that_cannot_be_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with the reason; the others are sent."""
    one, two = bench.put(1), bench.put(2)
    real = os.open

    def refuse(name: str, *arguments: int, **more: int) -> int:
        if name == f"{one}.bcd.json":
            raise PermissionError(13, "Permission denied")
        return real(name, *arguments, **more)

    monkeypatch.setattr("bcd.store.kept.os.open", refuse)
    bench.forwarder().once()
    assert bench.store.ids == [two]
    path = bench.folder / f"{one}.bcd.json"
    assert bench.listener.warnings == [f"{path}: cannot be read: Permission denied"]


def test_pruned_meanwhile(bench: Bench) -> None:
    """A file that others remove while the store is down is no longer sent, and no damage."""
    gone, kept = bench.put(1), bench.put(2)
    failures = iter([True, False])
    bench.store.fails = lambda _: next(failures, False)
    bench.pace.meanwhile = [(bench.folder / f"{gone}.bcd.json").unlink, lambda: None]
    done = bench.forwarder().watch()
    assert bench.store.ids == [kept]
    assert (done.damaged, done.waiting) == ({}, 0)


# --- waiting for new ones ---


def test_new_ones_are_seen(bench: Bench) -> None:
    """What comes is sent within a second."""
    bench.pace.meanwhile = [lambda: bench.put(1), lambda: bench.put(2), lambda: None]
    assert bench.forwarder().watch().new == 2
    assert set(bench.pace.waited) == {1.0}


def test_a_folder_that_comes_later(bench: Bench) -> None:
    """The folder need not exist yet, and may be made anew."""
    bench.folder.rmdir()

    def renew() -> None:
        for path in bench.folder.iterdir():
            path.unlink()
        bench.folder.rmdir()
        bench.folder.mkdir()
        bench.put(2)

    bench.pace.meanwhile = [bench.folder.mkdir, lambda: bench.put(1), lambda: None, renew]
    assert bench.forwarder().watch().new == 2


def test_a_folder_at_rest_is_not_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing changes it is looked into once a minute, for clocks that do not agree."""
    looked: list[float] = []
    real = Folder.snapshots

    def note(folder: Folder) -> list[str]:
        looked.append(bench.pace.time)
        return real(folder)

    monkeypatch.setattr(Folder, "snapshots", note)
    bench.rest()
    bench.pace.meanwhile = [lambda: None] * 150
    bench.forwarder().watch()
    assert [time - looked[0] for time in looked] == [0, 60, 120]


def test_a_file_in_the_same_moment(bench: Bench) -> None:
    """A file that comes just after the folder was read, in one step of its clock, is seen."""
    before = bench.folder.stat()

    def slip_in() -> None:
        bench.put(2)
        os.utime(bench.folder, ns=(before.st_atime_ns, before.st_mtime_ns))

    bench.pace.meanwhile = [slip_in, lambda: None]
    assert bench.forwarder().watch().new == 1


# --- how long to wait ---


@given(chances=st.lists(st.floats(0, 1), min_size=1, max_size=2000))
def test_waits_are_bounded(chances: list[float]) -> None:
    """From half to the whole of a time that doubles up to its bound, for ever."""
    given_chances: Iterator[float] = iter(chances)
    backoff = Backoff(0.5, 60.0, lambda: next(given_chances))
    for number in range(len(chances)):
        whole = min(60.0, 0.5 * 2 ** min(number, 10))
        assert whole / 2 <= backoff.next() <= whole
    backoff.reset()
    assert backoff.failures == 0


# --- the note of what was sent ---

ONE, TWO, THREE = (made_id(1_700_000_000 + number) for number in range(3))


def note_of(folder: Path) -> Path:
    """The file of the only note."""
    [path] = folder.glob(".sent-*")
    return path


def test_a_note_is_private_and_of_one_store(tmp_path: Path) -> None:
    """Each store has its own; only the owner reads it."""
    Sent(str(tmp_path), "one").add([ONE])
    assert ONE in Sent(str(tmp_path), "one")
    assert ONE not in Sent(str(tmp_path), "two")
    assert note_of(tmp_path).stat().st_mode & 0o777 == 0o600


def test_two_that_note_at_once(tmp_path: Path) -> None:
    """What two programs note is all there."""
    first, second = Sent(str(tmp_path), "x"), Sent(str(tmp_path), "x")
    first.add([ONE])
    second.add([TWO])
    first.add([THREE, ONE])
    assert all(each in Sent(str(tmp_path), "x") for each in (ONE, TWO, THREE))


@given(damage=st.binary(max_size=100))
def test_a_damaged_note(tmp_path_factory: pytest.TempPathFactory, damage: bytes) -> None:
    """A note that was cut short or overwritten is as good as what can be read of it."""
    folder = tmp_path_factory.mktemp("note")
    Sent(str(folder), "x").add([ONE])
    note_of(folder).write_bytes(damage)
    Sent(str(folder), "x").add([TWO])
    again = Sent(str(folder), "x")
    assert TWO in again
    assert THREE not in again


def test_a_note_does_not_grow_for_ever(tmp_path: Path) -> None:
    """It forgets what is no longer in the folder."""
    sent = Sent(str(tmp_path), "x")
    ids = [made_id(number) for number in range(3000)]
    for each in ids:
        sent.add([each])
    sent.forget_others(ids[-10:])
    assert note_of(tmp_path).stat().st_size < 300
    again = Sent(str(tmp_path), "x")
    assert [each for each in ids if each in again] == ids[-10:]
    assert len(names(tmp_path)) == 1


def test_a_note_that_cannot_be_written(tmp_path: Path) -> None:
    """It is done without: a link in its place is not followed, and no error comes of it."""
    Sent(str(tmp_path), "x").add([ONE])
    path = note_of(tmp_path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    sent = Sent(str(tmp_path), "x")
    sent.add([TWO])
    assert TWO in sent
    assert not (tmp_path / "elsewhere").exists()

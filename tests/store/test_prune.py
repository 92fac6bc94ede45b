"""Pruning a folder: what goes, what stays, and what is never touched."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import time
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcd.errors import SnapshotNotFound, StoreError
from bcd.snapshot.format import kind_in
from bcd.store.kept import Folder, Kept, seconds_of
from bcd.store.retention import Bounds, remove, superfluous
from tests.store.folders import DAY, ids, made_id, names, put, put_dump
from tests.terminal import PROGRAM, on_a_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.store.commands import Ran

NOW = time.time()
HOUR = 3600


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    monkeypatch.setenv("BCD_DIR", str(folder))
    return folder


def of_days(*days: int) -> list[str]:
    """Ids of snapshots that were made so many days ago, each of another kind."""
    return [made_id(NOW - each * DAY, kind=each) for each in days]


def test_by_age(bcd: Ran, folder: Path) -> None:
    """What is older goes, by the time in its id; the rest stays."""
    old, new = of_days(31, 29)
    put(folder, old)
    path = put(folder, new)
    os.utime(path, (0, 0))  # as a copy may have it
    ended = bcd("prune", "--older-than", "30d", "--yes")
    assert names(folder) == [path.name]
    assert ended.out.startswith(f"{old}  2026-11-23T01:33:00Z  shop.errors.CheckoutFailed: ")
    assert ended.err == (
        f"bcd: removed 1 snapshot (36 KiB); left in {folder}: 1 snapshot (36 KiB)\n"
    )


def test_by_count_and_size(bcd: Ran, folder: Path) -> None:
    """The newest that fit into all bounds stay."""
    made = of_days(5, 4, 3, 2, 1)
    sizes = [put(folder, each).stat().st_size for each in made]
    assert bcd("prune", "--max-count", 4, "--max-bytes", sum(sizes[2:]), "--yes").status == 0
    assert ids(folder.iterdir()) == made[2:]
    assert bcd("prune", "--max-count", 0, "--yes").status == 0
    assert names(folder) == []


def test_of_one_kind(bcd: Ran, folder: Path) -> None:
    """Of one kind the first and the latest stay, as with the tracer; dumps are of none."""
    alike = [made_id(NOW - each * DAY, kind=7, number=each) for each in (5, 4, 3, 2)]
    other = made_id(NOW - 6 * DAY, kind=8)
    for each in (*alike, other):
        put(folder, each)
    dump = put_dump(folder, made_id(NOW - 3.5 * DAY, kind=7))
    assert bcd("prune", "--per-kind", 2, "--yes").status == 0
    assert ids(folder.iterdir()) == sorted([other, alike[0], alike[3], dump.name[:26]])
    assert bcd("prune", "--per-kind", 1, "--yes").status == 0
    assert ids(folder.iterdir()) == sorted([other, alike[3], dump.name[:26]])


def test_dumps_go_with_their_outputs(bcd: Ran, folder: Path) -> None:
    """A dump counts as one, with all its bytes; its output goes with its head."""
    snapshot, dump = of_days(1, 2)
    kept = put(folder, snapshot)
    put_dump(folder, dump, "gcore", b"x" * 100_000)
    ended = bcd("prune", "--max-bytes", "100k", "--yes", "--json")
    assert names(folder) == [kept.name]
    [removed] = json.loads(ended.out)["removed"]
    assert (removed["kind"], removed["id"]) == ("gcore", dump)
    assert removed["size"] > 100_000
    assert [Path(each).suffix for each in removed["paths"]] == [".json", ".core"]


def test_what_it_says_to_scripts(bcd: Ran, folder: Path) -> None:
    """As JSON: what is removed and what is left, also when nothing is really removed."""
    old, new = of_days(2, 1)
    path = put(folder, old)
    size = put(folder, new).stat().st_size
    said = json.loads(bcd("prune", "--max-count", 1, "--dry-run", "--json").out)
    assert said["dry_run"] is True
    assert said["left"] == {"count": 1, "bytes": size}
    assert said["removed"][0]["paths"] == [str(path)]
    assert said["removed"][0]["type"] == "shop.errors.CheckoutFailed"
    assert len(names(folder)) == 2
    done = json.loads(bcd("prune", "--max-count", 1, "--yes", "--json").out)
    assert done == said | {"dry_run": False}
    assert len(names(folder)) == 1


def test_damaged_ones_are_named(bcd: Ran, folder: Path) -> None:
    """A damaged snapshot counts like the others; when it goes it is named with what is wrong."""
    old, new = of_days(2, 1)
    path = put(folder, old)
    path.write_bytes(b"{")
    put(folder, new)
    ended = bcd("prune", "--max-count", 1, "--dry-run")
    assert ended.err.startswith(f"bcd: warning: {path}: no JSON")
    assert "bcd: would remove 1 snapshot (1 bytes)" in ended.err
    assert json.loads(bcd("prune", "--max-count", 1, "-y", "--json").out)["removed"][0]["damage"]
    assert ids(folder.iterdir()) == [new]


def test_what_is_never_touched(bcd: Ran, folder: Path, tmp_path: Path) -> None:
    """Files of others, links, folders, and what a living writer has not finished."""
    one, two, three, four = of_days(400, 300, 200, 100)
    (folder / "notes.txt").write_text("buy tea")
    (folder / f"{one}.bcd.json.bak").write_text("mine")
    target = put(tmp_path, two)
    (folder / target.name).symlink_to(target)
    (folder / f"{three}.bcd.json").mkdir()
    os.mkfifo(folder / f"{four}.bcd.json")
    writing = folder / f".{one}.4321.tmp"
    writing.write_text("{")
    fresh_output = folder / f"{one}.pyspy.json"  # of a dump whose head is still to come
    fresh_output.write_text("[]")
    before = names(folder)
    with writing.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        os.utime(writing, (NOW - HOUR / 2,) * 2)
        assert bcd("prune", "--max-count", 0, "--older-than", "1s", "--yes").status == 0
    assert names(folder) == before
    assert target.exists()


def test_what_the_dead_left(bcd: Ran, folder: Path) -> None:
    """What a writer that died had not finished goes; and outputs whose heads never came."""
    [dead] = of_days(1)
    for name in (f".{dead}.4321.tmp", f".{dead}.4322", f"{dead}.core"):
        (folder / name).write_text("{")
        os.utime(folder / name, (NOW - 2 * HOUR,) * 2)
    ended = bcd("prune", "--max-count", 9, "--dry-run")
    assert "bcd: would remove 3 half-written files" in ended.err
    assert len(names(folder)) == 3
    assert len(json.loads(bcd("prune", "--max-count", 9, "--json", "-y").out)["leftovers"]) == 3
    assert names(folder) == []


def test_a_folder_that_others_prune(folder: Path) -> None:
    """What somebody else has removed meanwhile is not counted as removed."""
    old, new = of_days(2, 1)
    gone = put(folder, old)
    put(folder, new)
    with Folder(str(folder)) as opened:
        kept = opened.inventory().kept
        gone.unlink()
        assert [opened.remove(each.names) for each in kept] == [False, True]


def test_two_that_prune_at_once(folder: Path) -> None:
    """Several programs that prune one folder end well, and leave what each would leave."""
    made = [made_id(NOW - each, kind=each) for each in range(200, 0, -1)]
    for each in made:
        (folder / f"{each}.bcd.json").write_text("{}")
    command = [*PROGRAM, "prune", "--max-count", "50", "--yes"]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)
    ]
    errors = [each.communicate(timeout=60)[1].decode() for each in running]
    assert [each.returncode for each in running] == [0, 0, 0], errors
    assert ids(folder.iterdir()) == made[150:]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ([], 2, "say what may stay: --older-than, --max-count"),
        (["--older-than", "soon"], 2, "'soon' cannot be used; accepted are spans like 30d"),
        (["--max-bytes", "x"], 2, "'x' cannot be used; accepted are sizes like 256MiB"),
        (["--max-count", "-1"], 2, "--max-count"),
        (["--max-count", "1"], 2, "nobody can be asked here: add --yes, or --dry-run"),
        (["--max-count", "1", "--folder", "/none"], 1, "folder /none cannot be read: No such file"),
        (["--max-count", "1", "--folder", "/dev/null"], 1, "/dev/null cannot be read: Not a dir"),
    ],
)
def test_an_error_is_one_line(
    bcd: Ran, folder: Path, arguments: Sequence[str], status: int, words: str
) -> None:
    """It says what to do; nothing is removed."""
    for each in of_days(2, 1):
        put(folder, each)
    ended = bcd("prune", *arguments)
    assert ended.status == status
    assert words in ended.err
    assert ended.err.count("\n") == 1
    assert len(names(folder)) == 2


def test_a_zero_byte_in_a_path() -> None:
    """A path that no system takes is an error like others."""
    with pytest.raises(SnapshotNotFound, match="null"):
        Folder("a\0b")


@pytest.mark.parametrize(("typed", "left"), [(b"y\n", 1), (b"n\n", 2)])
def test_it_asks_on_a_terminal(folder: Path, typed: bytes, left: int) -> None:
    """Nothing goes before somebody has said yes."""
    for each in of_days(2, 1):
        put(folder, each)
    shown = on_a_terminal("prune", "--max-count", "1", columns=200, keys=typed)
    assert "bcd: remove 1 snapshot (36 KiB)? [y/N]: " in shown
    assert len(names(folder)) == left
    assert f"removed {'1 snapshot (36 KiB)' if left == 1 else 'nothing'}; left in" in shown


def test_a_terminal_shows_what_fits(folder: Path) -> None:
    """Of very many that go, the oldest are shown, and how many follow."""
    for each in range(60):
        put(folder, made_id(NOW - DAY - each, kind=each))
    shown = on_a_terminal("prune", "--max-count", "0", "--dry-run", columns=120)
    assert shown.count("CheckoutFailed") == 40
    assert "and 20 more, newer ones" in shown


def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    """The error names the file, the reason and how many went before it."""
    for each in of_days(2, 1):
        put(folder, each)
    folder.chmod(0o555)
    with Folder(str(folder)) as opened:
        kept = opened.inventory().kept
        with (
            as_nobody(),
            pytest.raises(StoreError, match="Permission denied; 0 before it"),
        ):
            remove(opened, kept)
    assert len(names(folder)) == 2


@contextmanager
def as_nobody() -> Iterator[None]:
    """Take away what root may do, where root runs the tests."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


# --- the rule itself ---

kept_ones = st.lists(
    st.builds(
        lambda time, kind, number, size: Kept((f"{made_id(time, kind, number)}.bcd.json",), size),
        st.integers(0, 1000),
        st.integers(0, 3),
        st.integers(0, 1 << 30),
        st.integers(0, 500),
    ),
    unique_by=lambda kept: kept.id,
    max_size=30,
).map(lambda kept: sorted(kept, key=lambda each: each.id))


@given(
    kept=kept_ones,
    age=st.none() | st.integers(1, 1000),
    count=st.none() | st.integers(0, 10),
    size=st.none() | st.integers(0, 3000),
    alike=st.none() | st.integers(1, 4),
)
def test_all_bounds_hold(
    kept: list[Kept], age: int | None, count: int | None, size: int | None, alike: int | None
) -> None:
    """Whatever there is: what stays is within all bounds, and nothing goes without a reason."""
    bounds = Bounds(age=age, count=count, size=size, alike=alike)
    unwanted = superfluous(kept, bounds, now=1000)
    staying = [each for each in kept if each not in unwanted]
    assert all(older.id < newer.id for older, newer in pairwise(unwanted))
    assert age is None or all(seconds_of(each.id) >= 1000 - age for each in staying)
    assert count is None or len(staying) <= count
    assert size is None or sum(each.size for each in staying) <= size
    kinds = [kind_in(each.id) for each in staying]
    assert alike is None or all(kinds.count(kind) <= alike for kind in kinds)
    assert superfluous(staying, bounds, now=1000) == []
    if bounds == Bounds():
        assert unwanted == []


@given(seconds=st.integers(0, 1 << 38))
def test_the_time_in_an_id(seconds: int) -> None:
    """An id tells when it was made, to the millisecond."""
    assert seconds_of(made_id(seconds + 0.125)) == seconds + 0.125

"""Dumps beside the snapshots: what is listed, what is found, and what is shown of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bcd.cli.program import run
from bcd.errors import SnapshotCorrupt, SnapshotError, SnapshotNotFound, SnapshotTooNew
from bcd.snapshot.dump import pyspy_threads, read_dump
from bcd.store.base import Found, FoundDump
from bcd.store.files import FolderStore, read_output

SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"
SNAPSHOT = "01KAQ7T3M8Q9ZV4X1J6C5R2DWN"
OLD = "01AAAAAAAAAAAAAAAAAAAAAAA1"
NEW = "01QBBBBBBBBBBBBBBBBBBBBBB3"
SUFFIXES = {"py-spy": ".pyspy.json", "pystack": ".pystack.txt", "gcore": ".core"}
FRAME = {"name": "f\x1b[2J", "filename": "/app/f.py", "line": 3, "locals": [
    {"name": "order", "repr": "1005\x07"}, {"name": "long", "repr": "x" * 5000}]}  # fmt: skip
INNER = {"name": "wait", "filename": "/usr/lib/python3.11/threading.py", "line": 0, "locals": None}
SPIED = [
    {"os_thread_id": 2, "thread_name": "worker", "owns_gil": False, "frames": [INNER, FRAME]},
    {"os_thread_id": 1, "thread_name": "MainThread", "owns_gil": True, "frames": [FRAME]},
]


def head(dump_id: str, tool: str, /, **changes: Any) -> dict[str, Any]:
    """The document of a head."""
    return {
        "format": 1,
        "id": dump_id,
        "created": "2026-11-23T01:33:00.123456Z",
        "tool": {"name": tool, "version": "1.2", "path": "/bin/tool", "total_ms": 12.5},
        "reason": {"kind": "error"},
        "process": {"pid": 4320, "host": "vm", "executable": "/usr/bin/py thon"},
        "attributes": {"http.route": "/checkout", "http.request.method": "POST"},
        "classifiers": ["shop.NoRate"],
        "error": {"type": "shop.NoRate", "message": "no rate\x1b[31m"},
        "faulted_threads": [1],
        "output": {"name": dump_id + SUFFIXES.get(tool, ""), "size": 2048},
        "notes": [],
        **changes,
    }


def put(folder: Path, dump_id: str, tool: str, output: bytes = b"x", /, **changes: Any) -> Path:
    """Write a dump as bcd's program does."""
    (folder / f"{dump_id}.dump.json").write_text(json.dumps(head(dump_id, tool, **changes)))
    path = folder / f"{dump_id}{SUFFIXES[tool]}"
    path.write_bytes(output)
    return path


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BCD_DIR", str(tmp_path))
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / f"{SNAPSHOT}.bcd.json").write_text(SAMPLE.read_text())
    return tmp_path


@pytest.fixture(name="bcd")
def _bcd(capsys: pytest.CaptureFixture[str]) -> Any:
    def called(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        printed = capsys.readouterr()
        assert ended.value.code == 0, printed.err
        return printed.out

    return called


def test_among_the_snapshots(folder: Path, bcd: Any) -> None:
    """The list has both, newest first, and says of a dump who made it and how large it is."""
    put(folder, OLD, "gcore", error=None)
    put(folder, NEW, "py-spy")
    rows = bcd("list").splitlines()
    assert [row.split()[0] for row in rows] == [NEW, SNAPSHOT, OLD]
    assert rows[0].endswith("  [py-spy, 2 KiB] shop.NoRate: no rate\\x1b[31m  POST /checkout")
    assert rows[2].endswith("  [gcore, 2 KiB] (error, no error)")


def test_a_kind_for_scripts(folder: Path, bcd: Any) -> None:
    """As JSON each has a kind, and a dump all that a snapshot has."""
    path = put(folder, NEW, "pystack", b"12345")
    dump, snapshot = json.loads(bcd("list", "--json"))
    assert (dump["kind"], snapshot["kind"]) == ("pystack", "snapshot")
    assert dump.keys() == snapshot.keys()
    assert (dump["path"], dump["size"], dump["type"]) == (str(path), 5, "shop.NoRate")


def test_the_store_tells_them_apart(folder: Path) -> None:
    """A dump is a type of its own; the newest of all is the latest."""
    path = put(folder, NEW, "pystack", b"text")
    store = FolderStore(str(folder))
    found = store.find("latest")
    assert isinstance(found, FoundDump)
    assert (found.dump.id, found.location) == (NEW, str(path))
    assert read_output(found) == b"text"
    assert isinstance(store.find(SNAPSHOT), Found)
    for reference in (NEW, NEW[-4:], str(path), str(folder / f"{NEW}.dump.json")):
        assert store.find(reference) == found


def test_half_a_dump_is_none(folder: Path) -> None:
    """An output without a head is not seen; a head without an output is passed over."""
    put(folder, NEW, "pystack").unlink()
    (folder / f"{OLD}.core").write_bytes(b"x")
    listing = FolderStore(str(folder)).listing()
    assert (len(listing.entries), listing.dumps, listing.warnings) == (1, (), ())
    found = FolderStore(str(folder)).find(NEW)
    assert isinstance(found, FoundDump)
    with pytest.raises(SnapshotNotFound, match=r"pystack\.txt: no such file"):
        read_output(found)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({"format": 99}, SnapshotTooNew, "reads up to 1"),
        ({"format": "x"}, SnapshotCorrupt, 'no "format" number'),
        ({"tool": None}, SnapshotCorrupt, "tool must be an object"),
        ({"output": {"name": "../../etc/passwd", "size": 1}}, SnapshotCorrupt, "its output"),
        ({"output": {"name": f"{OLD}.core", "size": 1}}, SnapshotCorrupt, "its output"),
        ({"tool": {"name": "other", "path": "x"}}, SnapshotCorrupt, "its output"),
    ],
)  # fmt: skip
def test_a_head_that_makes_no_sense(
    folder: Path, changes: Any, kind: type[SnapshotError], said: str
) -> None:
    """It is named in a warning, and no file elsewhere is read for it."""
    put(folder, NEW, "pystack", **changes)
    with pytest.raises(kind, match=said):
        read_dump((folder / f"{NEW}.dump.json").read_bytes())
    listing = FolderStore(str(folder)).listing()
    assert listing.dumps == ()
    assert said in listing.warnings[0]


def test_pyspy_is_shown_as_threads(folder: Path, bcd: Any) -> None:
    """The faulted thread with its variables first; nothing can control the terminal."""
    put(folder, NEW, "py-spy", json.dumps(SPIED).encode())
    shown = bcd("show", NEW)
    assert shown.startswith("shop.NoRate: no rate\\x1b[31m\n")
    main, worker = shown.index("MainThread · tid 1 · faulted"), shown.index("worker · tid 2")
    assert main < worker
    assert 'File "/app/f.py", line 3, in f\\x1b[2J' in shown
    assert "order = 1005\\x07" in shown
    assert "x" * 1000 + "…" in shown
    assert "x" * 1001 not in shown
    assert shown.isprintable() or all(row.isprintable() for row in shown.splitlines())


def test_how_much_of_pyspy_is_shown(folder: Path, bcd: Any) -> None:
    """The switches of snapshots work for it too."""
    put(folder, NEW, "py-spy", json.dumps(SPIED).encode())
    assert "order" not in bcd("show", NEW, "--no-locals")
    assert "MainThread" not in bcd("show", NEW, "--no-threads")
    assert bcd("show", NEW, "--threads").count("order = 1005") >= 1


def test_stacks_are_innermost_last(folder: Path) -> None:
    """py-spy begins with the innermost frame, bcd ends with it; native frames have no line."""
    assert folder.is_dir()
    main, worker = pyspy_threads(json.dumps(SPIED).encode(), (1,))
    assert [frame.function for frame in worker.frames] == ["f\x1b[2J", "wait"]
    assert [frame.in_app for frame in worker.frames] == [True, False]
    assert worker.frames[1].line is None
    assert (main.gil, worker.gil, worker.faulted) == (True, False, False)


def test_pystack_is_shown_as_it_is(folder: Path, bcd: Any) -> None:
    """Its text, cleaned of what controls a terminal and of endless lines."""
    put(folder, NEW, "pystack", b"Traceback \x1b[31m\n" + b"y" * 10_000 + b"\n\xff\n")
    shown = bcd("show", NEW)
    assert "\nTraceback \\x1b[31m\n" in shown
    assert "y" * 1999 + "…\n\\\\xff" in shown.replace("\\xff", "\\\\xff")
    assert "y" * 2001 not in shown


def test_a_core_says_how_to_open_it(folder: Path, bcd: Any) -> None:
    """The command has the program that ran and the path, quoted for a shell."""
    path = put(folder, NEW, "gcore")
    assert f"gdb '/usr/bin/py thon' {path}\n" in bcd("show", NEW)


@pytest.mark.parametrize(
    ("tool", "output", "content"),
    [
        ("py-spy", json.dumps(SPIED).encode(), SPIED),
        ("pystack", b"text", "text"),
        ("gcore", b"\x7fELF", None),
    ],
)
def test_as_json(folder: Path, bcd: Any, tool: str, output: bytes, content: Any) -> None:
    """The head with the path and, where it is text, the content."""
    path = put(folder, NEW, tool, output)
    document = json.loads(bcd("show", NEW, "--json"))
    assert document["path"] == str(path)
    assert document.get("content") == content
    assert document["tool"]["name"] == tool


@pytest.mark.parametrize("output", [b"", b"{}", b"[1]", b'[{"frames": [{}]}]', b"\xff"])
def test_an_output_that_is_damaged(
    folder: Path, output: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line says so, nothing is shown, and the status is 1."""
    put(folder, NEW, "py-spy", output)
    with pytest.raises(SystemExit) as ended:
        run(["show", NEW])
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (1, "")
    assert printed.err.startswith("bcd: ")
    assert printed.err.count("\n") == 1

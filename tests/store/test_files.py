"""The folder of snapshots: what is listed, what is found, and what is left alone."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bcd.errors import SnapshotCorrupt, SnapshotNotFound, SnapshotTooNew
from bcd.snapshot import from_dict, head
from bcd.snapshot.head import read_head
from bcd.store import files
from bcd.store.files import FolderStore

SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"
OLD = "01AAAAAAAAAAAAAAAAAAAAAAA1"
MIDDLE = "01AAAAAAAAAAAAAAAAAAAAAAB2"
NEW = "01BBBBBBBBBBBBBBBBBBBBBBB3"


def document(snapshot_id: str, **changes: Any) -> dict[str, Any]:
    """Make the sample's document with another id."""
    sample: dict[str, Any] = json.loads(SAMPLE.read_bytes())
    return sample | {"id": snapshot_id} | changes


def put(folder: Path, snapshot_id: str, *, compressed: bool = False, **changes: Any) -> Path:
    """Write a snapshot file as the tracer process does."""
    data = json.dumps(document(snapshot_id, **changes)).encode()
    path = folder / f"{snapshot_id}.bcd.json{'.gz' if compressed else ''}"
    path.write_bytes(gzip.compress(data) if compressed else data)
    return path


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> FolderStore:
    for snapshot_id in (MIDDLE, NEW, OLD):
        put(tmp_path, snapshot_id, compressed=snapshot_id == MIDDLE)
    return FolderStore(str(tmp_path))


def ids(store: FolderStore) -> list[str]:
    """Return the ids that the store lists."""
    return [entry.head.id for entry in store.listing().entries]


def test_newest_come_first(store: FolderStore) -> None:
    """Snapshots are listed by time, newest first, compressed or not, without a warning."""
    assert ids(store) == [NEW, MIDDLE, OLD]
    assert store.listing().warnings == ()
    assert store.listing().hint is None


def test_an_entry_tells_what_a_list_shows(store: FolderStore, tmp_path: Path) -> None:
    """An entry holds the error, the process, the attributes, the place and the size."""
    entry = store.listing().entries[0]
    assert entry.head.error is not None
    assert entry.head.error.type == "shop.errors.CheckoutFailed"
    assert entry.head.error.message == "order 1042 could not be paid"
    assert entry.head.process.pid == 4320
    assert entry.head.attributes["http.route"] == "/checkout"
    assert entry.location == str(tmp_path / f"{NEW}.bcd.json")
    assert entry.size == Path(entry.location).stat().st_size


def test_a_snapshot_without_an_error_is_listed(tmp_path: Path) -> None:
    """A dump of a healthy process has no error in the list."""
    put(tmp_path, NEW, exception=None)
    assert FolderStore(str(tmp_path)).listing().entries[0].head.error is None


def test_what_is_no_snapshot_is_left_alone(store: FolderStore, tmp_path: Path) -> None:
    """Temporary, foreign and special files are neither listed nor warned of."""
    (tmp_path / f".{NEW}.bcd.json.tmp").write_bytes(b'{"format": 1')
    (tmp_path / "notes.txt").write_text("buy tea")
    (tmp_path / "other.bcd.json").write_text("{}")
    (tmp_path / "01CCCCCCCCCCCCCCCCCCCCCCC4.bcd.json").mkdir()
    (tmp_path / "01CCCCCCCCCCCCCCCCCCCCCCC5.bcd.json").symlink_to(SAMPLE)
    os.mkfifo(tmp_path / "01CCCCCCCCCCCCCCCCCCCCCCC6.bcd.json")
    assert ids(store) == [NEW, MIDDLE, OLD]
    assert store.listing().warnings == ()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_file_is_named(store: FolderStore, tmp_path: Path, compressed: bool) -> None:  # noqa: FBT001
    """A file cut short is no entry; a warning names it, and the rest is listed."""
    path = put(tmp_path, "01CCCCCCCCCCCCCCCCCCCCCCC4", compressed=compressed)
    path.write_bytes(path.read_bytes()[:-10])
    listing = store.listing()
    assert [entry.head.id for entry in listing.entries] == [NEW, MIDDLE, OLD]
    assert [str(path) in warning for warning in listing.warnings] == [True]


def test_a_newer_format_is_named(store: FolderStore, tmp_path: Path) -> None:
    """A snapshot of a later bcd is no entry; a warning says to update."""
    put(tmp_path, "01CCCCCCCCCCCCCCCCCCCCCCC4", format=99)
    assert ids(store) == [NEW, MIDDLE, OLD]
    assert "update bcd" in store.listing().warnings[0]


def test_a_missing_folder_is_empty_and_says_what_to_do(tmp_path: Path) -> None:
    """Before the first snapshot there is no folder, which is no error."""
    listing = FolderStore(str(tmp_path / "none")).listing()
    assert listing.entries == ()
    assert "does not exist yet" in str(listing.hint)
    assert "BCD_DIR" in str(listing.hint)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    """A folder without snapshots says that it has none."""
    assert FolderStore(str(tmp_path)).listing().hint == f"no snapshots in {tmp_path} yet"


def test_a_file_in_the_folders_place_is_an_error(tmp_path: Path) -> None:
    """A path that is no folder says so instead of being empty."""
    (tmp_path / "file").touch()
    with pytest.raises(SnapshotNotFound, match="cannot be read: Not a directory"):
        FolderStore(str(tmp_path / "file")).listing()


def test_a_file_pruned_while_listing_is_no_warning(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A snapshot that another process removes after the folder was read is passed over."""
    real = files._content

    def prune_first(path: str) -> bytes:
        if path.endswith(f"{NEW}.bcd.json"):
            Path(path).unlink()
        return real(path)

    monkeypatch.setattr(files, "_content", prune_first)
    assert ids(store) == [MIDDLE, OLD]
    assert store.listing().warnings == ()


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("latest", NEW),
        (OLD, OLD),
        ("01B", NEW),
        ("01bbb", NEW),
        ("AAB2", MIDDLE),
        ("a1", OLD),
    ],
)
def test_a_snapshot_is_found(store: FolderStore, reference: str, found: str) -> None:
    """By "latest", by id, and by a begin or end of an id, in either case."""
    assert store.find(reference).snapshot.id == found


def test_a_snapshot_is_found_by_its_path(store: FolderStore, tmp_path: Path) -> None:
    """A path need not lie in the folder nor be named like a snapshot."""
    assert store.find(str(SAMPLE)).snapshot == from_dict(json.loads(SAMPLE.read_bytes()))
    copy = tmp_path / "copy"
    copy.write_bytes(SAMPLE.read_bytes())
    assert store.find(str(copy)).location == str(copy)


def test_a_path_may_be_relative(
    store: FolderStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bare name of a file in the working directory is found."""
    (tmp_path / "copy").write_bytes(SAMPLE.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert store.find("copy").location == "copy"
    assert store.find(f"{OLD}.bcd.json").snapshot.id == OLD


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("01", "fits 3 snapshots"),
        ("01A", f"fits 2 snapshots, the newest of them {MIDDLE}, {OLD}; give more"),
        ("", "no snapshot ''"),
        ("zzz", "`bcd list` shows"),
        ("./zzz", "no such file"),
        ("/", "is a folder"),
        ("a\0/b", "null"),
    ],
)
def test_a_reference_that_does_not_fit_says_why(
    store: FolderStore, reference: str, message: str
) -> None:
    """Nothing or too much found is SnapshotNotFound with the way out."""
    with pytest.raises(SnapshotNotFound, match=message):
        store.find(reference)


def test_a_damaged_file_asked_for_by_name_is_an_error(store: FolderStore, tmp_path: Path) -> None:
    """Asked for by id, a damaged or newer snapshot is not passed over."""
    (tmp_path / f"{NEW}.bcd.json").write_bytes(b"{")
    with pytest.raises(SnapshotCorrupt, match=NEW):
        store.find(NEW)
    put(tmp_path, NEW, format=99)
    with pytest.raises(SnapshotTooNew, match=NEW):
        store.find(NEW)


def test_the_latest_is_the_newest_readable_one(store: FolderStore, tmp_path: Path) -> None:
    """A damaged newest snapshot is passed over with a warning."""
    (tmp_path / f"{NEW}.bcd.json").write_bytes(b"{")
    found = store.find("latest")
    assert found.snapshot.id == MIDDLE
    assert NEW in found.warnings[0]


def test_no_latest_says_what_to_do(tmp_path: Path) -> None:
    """The latest of nothing is SnapshotNotFound with the hint of the list."""
    with pytest.raises(SnapshotNotFound, match="does not exist yet"):
        FolderStore(str(tmp_path / "none")).find("latest")


def test_a_document_keeps_the_keys_that_are_ignored(tmp_path: Path) -> None:
    """The document of a found snapshot is that of the file, compressed or not."""
    put(tmp_path, NEW, compressed=True, weather="rain")
    assert json.loads(FolderStore(str(tmp_path)).find(NEW).document)["weather"] == "rain"


def test_a_path_that_is_no_utf8(tmp_path: Path) -> None:
    """A folder whose name is no UTF-8 works like any other."""
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)  # noqa: PTH102 - bytes
    put(Path(os.fsdecode(folder)), NEW)
    store = FolderStore(os.fsdecode(folder))
    assert ids(store) == [NEW]
    assert os.fsencode(store.find("latest").location).startswith(folder)


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    """A snapshot may come from a pipe, as the shell's process substitution gives it."""
    read_end, write_end = os.pipe()
    os.write(write_end, json.dumps(document(OLD)).encode())
    os.close(write_end)
    assert FolderStore(str(tmp_path)).find(f"/dev/fd/{read_end}").snapshot.id == OLD
    os.close(read_end)


def big(order: list[str] | None = None) -> bytes:
    """Make a compressed snapshot of more than 1 MiB, its keys in another order if asked."""
    made = document(NEW, notes=["é" * 50] * 20_000)
    return gzip.compress(json.dumps({key: made[key] for key in order or made}).encode())


def test_of_a_big_file_only_the_begin_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The head of a big snapshot is read without parsing the rest."""
    monkeypatch.setattr(head, "parse", None)
    assert read_head(big()).id == NEW
    assert read_head(big()).error is not None


def test_a_big_file_with_its_keys_in_another_order_is_read() -> None:
    """Where the first bytes do not hold what a list shows, the whole is parsed."""
    assert read_head(big(sorted(document(NEW), reverse=True))) == read_head(big())


def test_damage_at_the_end_of_a_big_file_is_seen() -> None:
    """The checksum of a big file is verified although only its begin is parsed."""
    data = bytearray(big())
    data[-6] ^= 1
    with pytest.raises(SnapshotCorrupt, match="incorrect data check"):
        read_head(bytes(data))


@pytest.mark.parametrize("indent", [None, 1])
def test_a_begin_holds_nothing_that_is_not_there(indent: int | None) -> None:
    """What is parsed of a document cut at any place is in the whole document."""
    numbers = [0, -1, 1234567, 2.1, -30.25, 1e22, 5e-324, 10**20, -0.0]
    literals = [None, True, False, 'a\\b"\u20ac\U0001f600', "", [], {}]
    process = document(NEW)["process"]
    whole = {"numbers": numbers, "by name": {str(n): n for n in numbers}, "literals": literals}
    text = json.dumps(whole | {"process": process}, indent=indent)
    for cut in range(len(text)):
        assert is_part(head._begin(text[:cut]) or {}, whole | {"process": process}), text[:cut]


@pytest.mark.parametrize("cut", ["12", "12.", "12.5", "1e", "1E+", "-", "tru", "nul", '"a', '"a\\'])
def test_a_value_that_touches_the_cut_is_missing(cut: str) -> None:
    """It may lack digits: 12. may be the begin of 12.5, and 12 of 1234."""
    assert head._begin(f'{{"whole": [0, {{"part": {cut}') == {"whole": [0, {}]}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(whole=json_values, data=st.data())
@settings(deadline=None)
def test_a_begin_of_any_document(whole: Any, data: st.DataObject) -> None:
    """The same of any document, at any place."""
    text = json.dumps({"key": whole})
    cut = data.draw(st.integers(0, len(text)))
    assert is_part(head._begin(text[:cut]) or {}, {"key": whole})


def is_part(part: Any, whole: Any) -> bool:
    """Tell whether ``part`` is ``whole`` with some last members missing."""
    if isinstance(part, dict):
        return all(is_part(value, whole[key]) for key, value in part.items())
    if isinstance(part, list):
        return all(map(is_part, part, whole)) and len(part) <= len(whole)
    return type(part) is type(whole) and bool(part == whole)

"""Databases as the place that snapshots are exported from, imported into and removed from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bcd.store.files import FolderStore
from tests.store.conftest import emptied
from tests.store.folders import DAY, ids, made_id, names, put
from tests.terminal import on_a_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.store.commands import Ran

NOW = 1_790_000_000
OLD, NEW = made_id(NOW - 9 * DAY, kind=1), made_id(NOW, kind=2)


@pytest.fixture(name="database")
def _database(shared_database: str) -> str:
    return emptied(shared_database)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    monkeypatch.setenv("BCD_DIR", str(folder))
    put(folder, OLD)
    put(folder, NEW, notes=["x" * 100_000])
    return folder


def test_from_a_folder_through_a_database_and_back(
    bcd: Ran, folder: Path, database: str, tmp_path: Path
) -> None:
    """Imported into a database and exported from it, the snapshots are what they were."""
    done = bcd("import", folder, "--store", database)
    assert done == (0, "", f"bcd: imported 2 snapshots; they are in {database}\n")
    again = json.loads(bcd("import", folder, "--store", database, "--json").out)
    assert (again["imported"], again["already"], again["to"]) == (0, 2, database)
    file, other = tmp_path / "all.tar.gz", tmp_path / "other"
    done = bcd("export", "--all", "-o", file, "--store", database)
    assert done.err == f"bcd: 2 snapshots written to {file}\n"
    assert bcd("import", file, "--folder", other).status == 0
    assert names(other) == [name for name in names(folder) if not name.startswith(".")]
    for each in (OLD, NEW):
        one, two = (FolderStore(str(place)).find(each) for place in (folder, other))
        assert one.document == two.document


def test_one_of_a_database(bcd: Ran, folder: Path, database: str, tmp_path: Path) -> None:
    """By an id, or the latest."""
    bcd("import", folder, "--store", database)
    bcd("export", "latest", "-o", tmp_path / "one.tar", "--store", database)
    bcd("import", tmp_path / "one.tar", "--folder", tmp_path / "other")
    assert ids((tmp_path / "other").iterdir()) == [NEW]
    done = bcd("export", "zzz", "-o", tmp_path / "x.tar", "--store", database)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert not (tmp_path / "x.tar").exists()


def test_removing_from_a_database(bcd: Ran, folder: Path, database: str) -> None:
    """What is more than the bounds goes; the folder is not touched."""
    bcd("import", folder, "--store", database)
    done = bcd("prune", "--max-count", 1, "--store", database, "--yes")
    assert done.status == 0
    assert done.err == f"bcd: removed 1 snapshot (36 KiB) from {database}\n"
    said = json.loads(bcd("prune", "--max-count", 0, "--store", database, "-y", "--json").out)
    assert (said["store"], said["removed"]["count"]) == (database, 1)
    assert len(ids(folder.iterdir())) == 2


def test_removing_from_a_database_is_asked_for(bcd: Ran, folder: Path, database: str) -> None:
    """On a terminal somebody is asked; without one nothing goes unless --yes is given."""
    bcd("import", folder, "--store", database)
    arguments = ["prune", "--max-count", "0", "--store", database]
    shown = on_a_terminal(*arguments, columns=200, keys=b"n\n")
    assert f"remove what is above these bounds from {database}? [y/N]: " in shown
    assert "nobody can be asked here" in bcd(*arguments).err
    assert "--dry-run is for folders" in bcd(*arguments, "--dry-run").err
    assert json.loads(bcd(*arguments, "--yes", "--json").out)["removed"]["count"] == 2


@pytest.mark.parametrize(
    "arguments",
    [["prune", "--max-count", "1", "--yes"], ["export", "--all", "-o", "x.tar"], ["import", "."]],
)
def test_a_database_that_does_not_answer(
    bcd: Ran, folder: Path, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says so, without the password; no file is left."""
    monkeypatch.chdir(tmp_path)
    done = bcd(*arguments, "--store", "postgresql://u:hunter2@127.0.0.1:1/x")
    assert done.status == 1
    assert "Connection refused; see whether it runs" in done.err
    assert done.err.count("\n") == 1
    assert "hunter2" not in done.err
    assert names(tmp_path) == [folder.name]

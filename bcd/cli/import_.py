"""``bcd import``: snapshots from an archive, a file or another folder."""

from __future__ import annotations

import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from bcd.cli._folder import folder_option
from bcd.cli._index import database_option
from bcd.cli._output import print_json, print_message, print_warnings
from bcd.cli._progress import Bar
from bcd.errors import SnapshotError, SnapshotNotFound, StoreError
from bcd.folder import snapshot_folder
from bcd.store.archives import Member, read_members
from bcd.store.importing import FolderSink, Imported, Sink, StoreSink, import_all
from bcd.store.kept import Folder
from bcd.store.writing import PrivateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader

__all__ = ["import_command"]

_FAILED = 1


@click.command("import", short_help="Take in snapshots from an archive, a file or a folder.")
@click.argument("sources", metavar="FILE|FOLDER...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print what was imported as JSON.")
@database_option
@folder_option
def import_command(
    *, sources: Sequence[str], as_json: bool, database: str | None, folder: str | None
) -> int:
    """Take in snapshots: those of an archive, of a single file or of another folder.

    An archive is what `bcd export` writes, or a tar file of a folder; - is standard input. Each
    snapshot is read before it is kept, and one that is there already is left as it is. A folder
    keeps as many as its programs are told to, so better import into one of its own (--folder).
    """
    imported = Imported()
    with _sink(folder, database) as (sink, place), Bar("importing", None) as bar:
        for source in sources:
            try:
                with _members(source) as members:
                    import_all(members, sink, source, imported, bar.advance)
            except SnapshotNotFound as error:
                imported.refuse(str(error))
            except StoreError as error:
                raise StoreError(f"{error}; {imported.new} before it were imported") from None
    print_warnings(imported.problems)
    if imported.refused > len(imported.problems):
        print_message(f"and {imported.refused - len(imported.problems)} more that were refused")
    if as_json:
        print_json(
            {
                "to": place,
                "imported": imported.new,
                "already": imported.already,
                "refused": imported.refused,
                "problems": imported.problems,
            }
        )
    else:
        print_message(f"{_words(imported)}; they are in {place}")
    return _FAILED if imported.refused else 0


@contextmanager
def _sink(folder: str | None, database: str | None) -> Iterator[tuple[Sink, str]]:
    """Where the snapshots go, and how messages name it."""
    if database is None:
        with PrivateFolder(snapshot_folder(folder)) as opened:
            yield FolderSink(opened), opened.path
        return
    from bcd.store.sql.opening import open_database, place_of  # what it needs is in an extra

    with closing(open_database(database, create=True)) as store:
        yield StoreSink(store), place_of(database)


def _words(imported: Imported) -> str:
    said = [f"imported {imported.new} snapshot{'s' * (imported.new != 1)}"]
    said += [f"{imported.already} were there already"] if imported.already else []
    said += [f"{imported.refused} refused"] if imported.refused else []
    return ", ".join(said)


@contextmanager
def _members(source: str) -> Iterator[Iterator[Member]]:
    """What a source holds.

    Raises:
        SnapshotNotFound: It cannot be opened.
    """
    if source == "-":
        yield read_members(cast("BufferedReader", sys.stdin.buffer))
        return
    try:
        if Path(source).is_dir():
            with Folder(source) as folder:
                yield _of_folder(folder)
        else:
            with Path(source).open("rb") as file:
                yield read_members(file)
    except (OSError, ValueError) as error:  # a zero byte in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise SnapshotNotFound(f"{source}: {reason}") from None


def _of_folder(folder: Folder) -> Iterator[Member]:
    for name in folder.snapshots():
        try:
            yield Member(name, folder.read(name))
        except SnapshotNotFound:
            continue  # pruned in between
        except SnapshotError as error:
            yield Member(name, b"", str(error).removeprefix(f"{folder.path_of(name)}: "))

"""``bcd export``: snapshots in one file, to be sent or kept elsewhere."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing, contextmanager
from typing import IO, TYPE_CHECKING

import click

from bcd.cli._folder import folder_option, store
from bcd.cli._index import database_option
from bcd.cli._output import print_json, print_message, print_warnings
from bcd.cli._private_file import private_file
from bcd.cli._progress import watched
from bcd.errors import ConfigError, SnapshotCorrupt, SnapshotError, SnapshotNotFound
from bcd.folder import snapshot_folder
from bcd.snapshot.codec import inflate
from bcd.snapshot.format import id_of_file
from bcd.snapshot.head import read_head
from bcd.store.archives import write_archive
from bcd.store.base import FoundDump
from bcd.store.kept import Folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bcd.store.base import Store
    from bcd.store.sql.store import SqlStore

__all__ = ["export_command"]


@click.command("export", short_help="Put snapshots into one file.")
@click.argument("references", metavar="[latest|ID|PATH]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All snapshots of the folder.")
@click.option(
    "-o",
    "--output",
    "output",
    metavar="FILE",
    required=True,
    help="Archive to write, .tar.gz or .tar; - for standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was exported as JSON.")
@database_option
@folder_option
def export_command(  # noqa: PLR0913 - one for each option
    *,
    references: Sequence[str],
    everything: bool,
    output: str,
    as_json: bool,
    database: str | None,
    folder: str | None,
) -> None:
    """Put snapshots into an archive, which `bcd import` reads elsewhere.

    Dumps of other tools are not part of it. The archive holds what the snapshots hold: the values
    of variables, secrets replaced.
    """
    if everything == bool(references):
        raise click.UsageError("say which snapshots: name some, or give --all")
    if as_json and output == "-":
        raise click.UsageError("--json and the archive cannot both go to standard output")
    damaged: list[str] = []
    with ExitStack() as stack:
        if database is not None:
            opened = stack.enter_context(_database(database))
            chosen = _stored(opened) if everything else _named(opened, references)
        elif everything:
            chosen = _all(snapshot_folder(folder), damaged)
        else:
            chosen = _named(store(folder), references)
        count = _write(output, chosen)
    print_warnings(damaged)
    if as_json:
        print_json({"file": output, "exported": count, "damaged": damaged})
    elif output != "-":
        print_message(f"{count} snapshot{'s' * (count != 1)} written to {output}")


def _all(folder: str, damaged: list[str]) -> Iterator[tuple[str, bytes]]:
    """Id and document of each snapshot, oldest first; damaged ones are named."""
    with Folder(folder) as opened:
        names = opened.snapshots()
        if not names:
            raise SnapshotNotFound(f"no snapshots in {folder} yet")
        for name in watched(names, "exporting", len(names)):
            try:
                content = opened.read(name)
                yield _checked(name, content), inflate(content)
            except SnapshotNotFound:
                continue  # pruned in between
            except SnapshotError as error:
                path = opened.path_of(name)
                damaged.append(f"{path}: {str(error).removeprefix(f'{path}: ')}")


def _checked(name: str, content: bytes) -> str:
    """The id of a snapshot that can be read, and is the one that its file is named after."""
    snapshot_id = read_head(content).id
    if snapshot_id != id_of_file(name):
        raise SnapshotCorrupt(f"it calls itself {snapshot_id}")
    return snapshot_id


def _database(url: str) -> closing[SqlStore]:
    from bcd.store.sql.opening import open_database  # what it needs is in an extra

    return closing(open_database(url))


def _stored(opened: SqlStore) -> Iterator[tuple[str, bytes]]:
    """Id and document of each snapshot of a database, oldest first."""
    for snapshot_id, content in watched(opened.documents(), "exporting"):
        yield snapshot_id, inflate(content)


def _named(where: Store, references: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    done: set[str] = set()
    for reference in watched(references, "exporting", len(references)):
        found = where.find(reference)
        if isinstance(found, FoundDump):
            tool = found.dump.tool.name
            raise ConfigError(f"{found.dump.id} is a dump of {tool}; only snapshots are exported")
        if found.snapshot.id not in done:
            done.add(found.snapshot.id)
            yield found.snapshot.id, found.document


def _write(output: str, snapshots: Iterator[tuple[str, bytes]]) -> int:
    try:
        with _opened(output) as file:
            return write_archive(file, snapshots, packed=not output.endswith(".tar"))
    except OSError as error:
        if output == "-":
            raise
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"the archive cannot be written to {output}: {reason}") from None


@contextmanager
def _opened(output: str) -> Iterator[IO[bytes]]:
    if output != "-":
        with private_file(output) as file:
            yield file
        return
    if sys.stdout.isatty():
        raise click.UsageError("an archive is nothing for a terminal: name a file, or pipe it")
    yield sys.stdout.buffer
    sys.stdout.buffer.flush()

"""``bcd prune``: remove the snapshots and dumps that are too old or too many."""

from __future__ import annotations

import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bcd.cli._amounts import bytes_in, seconds_in
from bcd.cli._folder import folder_option
from bcd.cli._index import database_option
from bcd.cli._output import print_json, print_lines, print_message, print_warnings, terminal_width
from bcd.cli._progress import watched
from bcd.errors import SnapshotError, SnapshotNotFound
from bcd.folder import snapshot_folder
from bcd.report.listing import file_size, listing_lines
from bcd.snapshot.codec import time_text
from bcd.snapshot.dump import Dump, read_dump
from bcd.snapshot.head import read_head
from bcd.store.kept import Folder, Kept
from bcd.store.retention import Bounds, remove, superfluous

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bcd.snapshot.head import Head

__all__ = ["prune_command"]

_ON_A_TERMINAL = 40
_AT_ONCE = 500


@click.command("prune", short_help="Remove snapshots and dumps that are too old or too many.")
@click.option(
    "--older-than",
    type=seconds_in,
    metavar="SPAN",
    help="Remove what is older, such as 30d or 12h.",
)
@click.option(
    "--max-count", type=click.IntRange(min=0), metavar="N", help="Keep the newest N at most."
)
@click.option(
    "--max-bytes",
    type=bytes_in,
    metavar="SIZE",
    help="Keep the newest of this size at most: 256MiB.",
)
@click.option(
    "--per-kind",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep N snapshots of one kind of error at most: the first, and the latest.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what is removed as JSON.")
@database_option
@folder_option
def prune_command(  # noqa: PLR0913 - one for each option
    *,
    older_than: float | None,
    max_count: int | None,
    max_bytes: int | None,
    per_kind: int | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    database: str | None,
    folder: str | None,
) -> None:
    """Remove the snapshots, and the dumps of other tools, that are too old or too many.

    All bounds that are given hold. No files but bcd's own are touched, and programs may go on
    writing snapshots meanwhile. What writers that died have left half-written goes too. In a
    database the kinds of errors stay known, with the time that they were first and last seen.
    """
    bounds = Bounds(age=older_than, count=max_count, size=max_bytes, alike=per_kind)
    if bounds == Bounds():
        raise click.UsageError(
            "say what may stay: --older-than, --max-count, --max-bytes or --per-kind"
        )
    if database is not None:
        _prune_database(database, bounds, dry_run=dry_run, yes=yes, as_json=as_json)
    else:
        _prune_folder(snapshot_folder(folder), bounds, dry_run=dry_run, yes=yes, as_json=as_json)


def _prune_database(url: str, bounds: Bounds, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    if dry_run:
        raise click.UsageError("--dry-run is for folders: a database does not say what would go")
    from bcd.store.sql.opening import open_database, place_of  # what it needs is in an extra

    place = place_of(url)
    with closing(open_database(url)) as opened:
        if not yes and not _may(f"remove what is above these bounds from {place}"):
            return
        removed = opened.prune(bounds)
    if as_json:
        print_json({"store": place, "removed": {"count": removed.count, "bytes": removed.size}})
    else:
        snapshots = f"{removed.count} snapshot{'s' * (removed.count != 1)}"
        print_message(f"removed {snapshots} ({file_size(removed.size)}) from {place}")


def _prune_folder(path: str, bounds: Bounds, *, dry_run: bool, yes: bool, as_json: bool) -> None:
    with Folder(path) as opened:
        found = opened.inventory()
        unwanted = superfluous(found.kept, bounds, time.time())
        described = _described(opened, unwanted) if as_json else None
        if described is None:
            _show(opened, unwanted)
        leftovers, removed = found.leftovers, unwanted
        if not dry_run and (yes or not unwanted or _may(f"remove {_words(unwanted)}")):
            removed = remove(opened, watched(unwanted, "removing", len(unwanted)))
            remove(opened, [Kept((name,), 0) for name in leftovers])
        elif not dry_run:
            leftovers, removed = (), []
    staying = _without(found.kept, removed)
    if described is None:
        _say("would remove" if dry_run else "removed", removed, leftovers, staying, opened.path)
        return
    ids = {each.id for each in removed}
    print_json(
        {
            "folder": opened.path,
            "dry_run": dry_run,
            "removed": [each for each in described if each["id"] in ids],
            "leftovers": [opened.path_of(name) for name in leftovers],
            "left": {"count": len(staying), "bytes": sum(each.size for each in staying)},
        }
    )


def _may(do: str) -> bool:
    """Ask whether to go on."""
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here: add --yes, or --dry-run to look only")
    return click.confirm(f"bcd: {do}?", err=True)


def _show(folder: Folder, unwanted: Sequence[Kept]) -> None:
    """Print what goes, oldest first; on a terminal only as much as fits on it."""
    width = terminal_width()
    shown = unwanted if width is None else unwanted[:_ON_A_TERMINAL]
    now = datetime.now(UTC) if width is not None else None
    damaged: list[str] = []
    for start in range(0, len(shown), _AT_ONCE):
        heads = [_head(folder, each) for each in shown[start : start + _AT_ONCE]]
        damaged += [head for head in heads if isinstance(head, str)]
        readable = [head for head in heads if head is not None and not isinstance(head, str)]
        if readable:
            print_lines(listing_lines(readable, now=now, width=width))
    print_warnings(damaged)
    if len(unwanted) > len(shown):
        print_message(f"and {len(unwanted) - len(shown)} more, newer ones")


def _head(folder: Folder, kept: Kept) -> Head | Dump | str | None:
    """What there is to say of a snapshot or dump; what is wrong with it; None where it is gone."""
    try:
        data = folder.read(kept.names[0])
        return read_dump(data) if kept.is_dump else read_head(data)
    except SnapshotNotFound:
        return None
    except SnapshotError as error:
        path = folder.path_of(kept.names[0])
        return f"{path}: {str(error).removeprefix(f'{path}: ')}"


def _described(folder: Folder, unwanted: Sequence[Kept]) -> list[dict[str, object]]:
    return [
        dict(_summary(folder, each))
        for each in watched(unwanted, "reading what goes", len(unwanted))
    ]


def _summary(folder: Folder, kept: Kept) -> Iterator[tuple[str, object]]:
    head = _head(folder, kept)
    known = None if isinstance(head, str) else head
    error = known and known.error
    yield "id", kept.id
    yield "kind", known.tool.name if isinstance(known, Dump) else _kind(kept)
    yield "created", known and time_text(known.created)
    yield "type", error and (error.type or None)
    yield "message", error and error.message
    yield "damage", head if isinstance(head, str) else None
    yield "paths", [folder.path_of(name) for name in kept.names]
    yield "size", kept.size


def _kind(kept: Kept) -> str:
    return "dump" if kept.is_dump else "snapshot"


def _without(kept: Sequence[Kept], gone: Sequence[Kept]) -> list[Kept]:
    names = {each.names for each in gone}
    return [each for each in kept if each.names not in names]


def _say(
    done: str, removed: Sequence[Kept], leftovers: Sequence[str], staying: Sequence[Kept], path: str
) -> None:
    print_message(f"{done} {_words(removed)}; left in {path}: {_words(staying)}")
    if leftovers:
        print_message(f"{done} {len(leftovers)} half-written files of writers that died")


def _words(kept: Sequence[Kept]) -> str:
    """How many snapshots and dumps, and how much they hold."""
    if not kept:
        return "nothing"
    dumps = sum(each.is_dump for each in kept)
    counts = [(len(kept) - dumps, "snapshot"), (dumps, "dump")]
    named = [f"{count} {word}{'s' * (count != 1)}" for count, word in counts if count]
    return f"{' and '.join(named)} ({file_size(sum(each.size for each in kept))})"

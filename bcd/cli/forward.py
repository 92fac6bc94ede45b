"""``bcd forward``: from the folder of one machine to the database of a fleet."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option
from bcd.cli._output import print_json, print_message, print_warnings
from bcd.cli._progress import Bar
from bcd.cli._stopping import Stopping
from bcd.folder import snapshot_folder
from bcd.report.listing import file_size
from bcd.store.forwarding import Forwarder
from bcd.store.sent import Sent
from bcd.store.sql.opening import open_database, place_of

if TYPE_CHECKING:
    from bcd.store.delivery import Forwarded

__all__ = ["forward_command"]

_FAILED = 1
_BY_SIGNAL = 128  # as a shell reports it
_NAMED_AT_ONCE = 5


@click.command("forward", short_help="Send snapshots to a database, each exactly once.")
@click.option(
    "--to",
    "--store",
    "url",
    envvar="BCD_STORE",
    required=True,
    metavar="URL",
    help="Such as postgresql://USER@HOST/DATABASE.  [default: $BCD_STORE]",
)
@click.option(
    "--once/--watch",
    default=True,
    help="Send what there is, or also what comes.  [default: --once]",
)
@click.option(
    "--keep/--remove",
    default=True,
    help="Whether a file stays when it was sent.  [default: --keep]",
)
@click.option("--again", is_flag=True, help="Send also what the database has removed since.")
@click.option("--json", "as_json", is_flag=True, help="Print at the end what was done as JSON.")
@folder_option
def forward_command(  # noqa: PLR0913 - one for each option
    *, url: str, once: bool, keep: bool, again: bool, as_json: bool, folder: str | None
) -> int:
    """Send the snapshots of a folder to a database of PostgreSQL.

    Each gets there exactly once, however often this is started, killed, or run twice at a time.
    While the database does not answer, they stay in the folder and --watch waits for it. Dumps of
    other tools, and files that are damaged, stay where they are.

    Arguments can be seen by all users of a machine: a password is better kept in BCD_STORE or in
    ~/.pgpass. The tables are made where there are none.
    """
    path, place = snapshot_folder(folder), place_of(url)
    teller = _Teller(each_batch=not once)
    with Stopping() as stopping, teller.bar:
        forwarder = Forwarder(
            path,
            partial(open_database, url, create=True),
            place,
            pace=stopping,
            listener=teller,
            sent=Sent(path, place, again=again) if keep else None,
        )
        if not once:
            print_message(f"sending the snapshots of {path} to {place} as they come")
        with suppress(KeyboardInterrupt):  # the database did not come to an end
            _ = forwarder.once() if once else forwarder.watch()
        forwarder.close()
        done, by_signal = forwarder.done, stopping.signal
    teller.tell_rest()
    if as_json:
        print_json(_summary(done, path, place))
    if done.failure is not None:
        print_message(f"{done.failure}; {done.waiting} snapshots wait in {path}, none is lost")
        return _FAILED
    if not as_json:
        print_message(_words(done, path, place))
    return _BY_SIGNAL + by_signal if once and by_signal is not None else 0


class _Teller:
    """Tells on standard error what happens.

    Args:
        each_batch: A line for each batch; else a bar shows how far it is.
    """

    def __init__(self, *, each_batch: bool) -> None:
        self.bar = Bar("forwarding", None)
        self._each_batch = each_batch
        self._damaged = 0

    def said(self, sentence: str) -> None:
        """Print it."""
        print_message(sentence)

    def sent(self, new: int, size: int) -> None:
        """Print that a batch was sent, if there was something new in it."""
        self.tell_rest()
        if new and self._each_batch:
            print_message(f"sent {_snapshots(new)} ({file_size(size)})")

    def damaged(self, sentence: str) -> None:
        """Print what is wrong with the first files of a batch."""
        self._damaged += 1
        if self._damaged <= _NAMED_AT_ONCE:
            print_warnings([sentence])

    def tell_rest(self) -> None:
        """Print how many more of a batch were damaged."""
        if self._damaged > _NAMED_AT_ONCE:
            print_message(f"and {self._damaged - _NAMED_AT_ONCE} more that cannot be sent")
        self._damaged = 0

    def waiting(self, count: int) -> None:
        """Show how many there are."""
        self.bar.expect(count)

    def settled(self, count: int) -> None:
        """Show how far it is."""
        if not self._each_batch:
            self.bar.advance(count)


def _summary(done: Forwarded, folder: str, place: str) -> dict[str, object]:
    return {
        "folder": folder,
        "to": place,
        "sent": done.new,
        "already": done.already,
        "removed": done.removed,
        "damaged": list(done.damaged.values()),
        "waiting": done.waiting,
        "failure": done.failure,
    }


def _words(done: Forwarded, folder: str, place: str) -> str:
    sent = f"sent {_snapshots(done.new)}" if done.new else "nothing new to send"
    said = [f"{sent} from {folder} to {place}"]
    said += [f"{done.already} were there already"] if done.already else []
    said += [f"{len(done.damaged)} cannot be sent"] if done.damaged else []
    said += [f"{done.waiting} are still to be sent"] if done.waiting else []
    return ", ".join(said)


def _snapshots(count: int) -> str:
    return f"{count} snapshot{'s' * (count != 1)}"

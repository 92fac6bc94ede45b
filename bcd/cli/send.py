"""``bcd send``: snapshots to a service that others use."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option
from bcd.cli._index import store_option
from bcd.cli._output import print_json, print_lines, print_message, print_warnings
from bcd.cli._reading import find, opened
from bcd.errors import ConfigError, SendError
from bcd.report.line import line
from bcd.send.backtrace import Backtrace
from bcd.send.otlp import Otlp
from bcd.send.post import Patience, post
from bcd.send.sentry.service import Sentry
from bcd.store.base import FoundDump

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bcd.cli._reading import Place
    from bcd.send.service import Address, Prepared, Service
    from bcd.store.base import Found

__all__ = ["send_command"]

_SERVICES: dict[str, Service] = {each.name: each for each in (Sentry(), Otlp(), Backtrace())}
_OPTIONS = {"sentry": "dsn", "otlp": "endpoint", "backtrace": "url"}


@click.command("send", short_help="Send snapshots to Sentry, OpenTelemetry or Backtrace.")
@click.argument("references", metavar="[latest|ID|PATH]...", nargs=-1)
@click.option("--to", "to", type=click.Choice([*_SERVICES]), required=True, help="Which service.")
@click.option("--dsn", metavar="DSN", help="Of Sentry.  [default: $SENTRY_DSN]")
@click.option(
    "--endpoint",
    metavar="URL",
    help="Of the collector.  [default: $OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318]",
)
@click.option(
    "--url",
    metavar="URL",
    help="To submit to Backtrace, with the token.  [default: $BACKTRACE_URL]",
)
@click.option("--attach", is_flag=True, help="Send the whole snapshot too, as a file (Sentry).")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    default=30,
    help="For one try.  [default: 30]",
)
@store_option
@folder_option
def send_command(  # noqa: PLR0913 - one for each option
    *,
    references: Sequence[str],
    to: str,
    attach: bool,
    dry_run: bool,
    timeout: float,
    store: str | None,
    folder: str | None,
    **where: str | None,
) -> int:
    """Send snapshots, the newest one unless told: those of an ID or a PATH.

    A snapshot has the same id there however often it is sent. Prefer the variables to the
    options: other users of this machine can read command lines.
    """
    service = _SERVICES[to]
    _refuse_what_does_not_fit(to, where, attach=attach)
    address = None if dry_run else service.address(where[_OPTIONS[to]], os.environ)
    snapshots = _found(references or ("latest",), opened(folder, store))
    if address is None:
        for found in snapshots:
            _print(service.prepare(found.snapshot))
        return 0
    patience = Patience(timeout=timeout, say=print_message)
    return _send_all(_Sending(service, address, patience, attach=attach), snapshots)


def _refuse_what_does_not_fit(to: str, where: dict[str, str | None], *, attach: bool) -> None:
    for service, option in _OPTIONS.items():
        if where[option] is not None and service != to:
            raise click.UsageError(f"--{option} is for --to {service}")
    if attach and to != "sentry":
        raise click.UsageError("--attach is for --to sentry")


def _found(references: Sequence[str], place: Place) -> list[Found]:
    """Find all of them before the first one is sent."""
    snapshots: list[Found] = []
    for reference in references:
        found = find(place, reference)
        print_warnings(found.warnings)
        if isinstance(found, FoundDump):
            tool = found.dump.tool.name
            raise ConfigError(f"{found.dump.id} is a dump of {tool}; only snapshots can be sent")
        snapshots.append(found)
    return snapshots


def _print(prepared: Prepared) -> None:
    print_json(dict(prepared.document))
    print_warnings(_left_out(prepared))


def _left_out(prepared: Prepared) -> Iterator[str]:
    if prepared.left_out:
        yield f"too large for the service, so these stay here: {', '.join(prepared.left_out)}"


class _Sending:
    """Sends one snapshot after the other to one service."""

    def __init__(
        self, service: Service, address: Address, patience: Patience, *, attach: bool
    ) -> None:
        self._service = service
        self.address = address
        self._patience = patience
        self._attach = attach

    def send(self, found: Found) -> str:
        """Send a snapshot; returns the id that the service has it under."""
        prepared = self._service.prepare(found.snapshot)
        print_warnings(_left_out(prepared))
        attachment = found.document if self._attach else None
        headers, body = self._service.body(prepared, attachment)
        answer = post(self.address, headers, body, self._patience)
        return self._service.receipt(prepared, answer)

    def line(self, snapshot_id: str, remote_id: str) -> str:
        """Say what became of one."""
        return f"{snapshot_id}  sent to {self.address.server} as {remote_id}"


def _send_all(sending: _Sending, snapshots: Sequence[Found]) -> int:
    failed = 0
    for number, found in enumerate(snapshots, start=1):
        snapshot_id = found.snapshot.id
        try:
            remote_id = sending.send(found)
        except SendError as error:
            failed += 1
            print_message(f"{snapshot_id} was not sent: {sending.address.clean(str(error))}")
            left = len(snapshots) - number
            if not error.of_one and left:
                print_message(f"{left} more not sent for the same reason")
                break
        else:
            print_lines([line(sending.line(snapshot_id, remote_id))])
    return 1 if failed else 0

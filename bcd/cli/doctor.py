"""``bcd doctor``: will snapshots work here, and what to change if not."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from bcd.cli._folder import folder_option
from bcd.cli._output import print_json, print_lines
from bcd.doctor import examine
from bcd.folder import snapshot_folder
from bcd.report.line import cells, line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from bcd.doctor.check import Check

__all__ = ["doctor_command"]

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@click.command("doctor", short_help="Say whether snapshots will work here.")
@click.argument("pid", type=click.IntRange(min=1), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document.")
@click.option("--python", metavar="PATH", help="As for `bcd dump`.")
@folder_option
def doctor_command(
    *, pid: int | None, as_json: bool, python: str | None, folder: str | None
) -> int:
    """Say what works here, what does not, and what to change.

    Run it as the user of the service and where the service runs. It takes a snapshot of itself
    and one of a process that it starts; with PID it also reads that process, which runs on. The
    exit status is 0 if snapshots will work, else 1.
    """
    checks = examine(snapshot_folder(folder), pid, python)
    works = all(check.status != "fail" for check in checks)
    if as_json:
        print_json({"works": works, "checks": [asdict(check) for check in checks]})
    else:
        print_lines(_lines(checks))
        print_lines([_verdict(checks)])
    return 0 if works else 1


def _lines(checks: Sequence[Check]) -> Iterator[Text]:
    widest = max(cells(check.name) for check in checks)
    for check in checks:
        space = " " * (widest - cells(check.name) + 2)
        status = (f"{check.status:<6}", _STYLES[check.status])
        yield line(status, (check.name, "bold"), space, check.words)
        if check.remedy:
            yield line(" " * (widest + 8), ("→ ", "blue"), check.remedy)


def _verdict(checks: Sequence[Check]) -> Text:
    failures = [check.name for check in checks if check.status == "fail"]
    if failures:
        return line(("Snapshots will not work: ", "bold red"), ", ".join(failures))
    return line(("Snapshots will work.", "bold green"))

"""The program ``bcd``: one file per command."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the program ``bcd`` with the arguments of this process and end the process."""
    from bcd.cli.program import run  # click and rich are loaded for the program alone

    run()

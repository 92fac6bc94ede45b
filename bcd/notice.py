"""One line on stderr: how bcd tells a person something when nobody has asked.

It never goes through ``logging``, whose handlers may lead back into a hook.
"""

from __future__ import annotations

import sys
import time

__all__ = ["notice"]


def notice(message: str) -> None:
    """Write ``[bcd] YYYY/MM/DD HH:MM:SS message``; never raises an ``Exception``."""
    try:
        stamp = time.strftime("%Y/%m/%d %H:%M:%S")
        sys.stderr.write(f"[bcd] {stamp} {message}\n")
    except Exception:  # noqa: BLE001, S110 - stderr is closed, full or gone: nobody can be told
        pass

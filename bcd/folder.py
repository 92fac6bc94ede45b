"""The folder that snapshots are written to."""

from __future__ import annotations

import os

__all__ = ["snapshot_folder"]


def snapshot_folder(given: str | os.PathLike[str] | None = None) -> str:
    """Resolve the folder of the snapshots; it is not created.

    Args:
        given: A folder, which takes precedence.

    Returns:
        An absolute path: the one given, else ``BCD_DIR`` from the environment, else the user's
        folder for state (``~/.local/state/bcd`` on Linux), else, for a user without a home,
        ``bcd-<user id>`` in the folder for temporary files.
    """
    chosen = os.fsdecode(given or "") or os.environ.get("BCD_DIR") or _state_folder()
    return os.path.abspath(chosen)  # noqa: PTH100 - pathlib costs milliseconds to import


def _state_folder() -> str:
    try:
        from platformdirs import user_state_dir  # not needed when a folder is given
    except ImportError:
        folder = os.path.expanduser("~/.local/state/bcd")  # noqa: PTH111 - as above
    else:
        folder = user_state_dir("bcd", appauthor=False)
    if os.path.isabs(folder):  # noqa: PTH117 - as above
        return folder
    from tempfile import gettempdir  # only for a user without a home, and slow to import

    return f"{gettempdir()}/bcd-{os.getuid()}"

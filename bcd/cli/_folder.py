"""Which folder of snapshots a command reads."""

from __future__ import annotations

import os

import click

from bcd.store.files import FolderStore

__all__ = ["folder_option", "platform_folder", "store"]

folder_option = click.option(
    "--folder",
    metavar="PATH",
    help="Folder of the snapshots.  [default: $BCD_DIR, else the state folder of this user]",
)


def store(folder: str | None) -> FolderStore:
    """Open the folder that was asked for, else ``BCD_DIR``, else that of the platform."""
    return FolderStore(folder or os.environ.get("BCD_DIR") or platform_folder())


def platform_folder() -> str:
    """The folder for the state of this user's programs."""
    from platformdirs import user_state_dir  # not needed where a folder is named

    return user_state_dir("bcd")

"""Whether snapshots can be kept in their folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from bcd.doctor.check import Check, failed, ok, warned

__all__ = ["check_folder"]

_LEAST = 5 << 20  # one snapshot and what bcd leaves free
_NAME = "name another with BCD_DIR"


def check_folder(path: str) -> Check:
    """Look at the folder of the snapshots, without making it.

    Args:
        path: An absolute path.
    """
    folder = Path(path)
    try:
        status = folder.lstat()
    except FileNotFoundError:
        return _check_parent(folder)
    except OSError as error:
        return failed("folder", f"{path}: {error.strerror}", _NAME)
    problem = _problem(status)
    if problem is not None:
        return failed("folder", f"{path} {problem}", f"{_NAME}, of this user's own")
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return failed("folder", f"{path} cannot be written", f"give it mode 0700, or {_NAME}")
    if status.st_mode & 0o077:
        return warned(
            "folder",
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}; bcd makes that 0700 where it"
            " holds nothing but snapshots, and does without where others may write",
            f"chmod 700 {path}",
        )
    return _check_space(folder, path)


def _problem(status: os.stat_result) -> str | None:
    if stat.S_ISLNK(status.st_mode):
        return "is a symbolic link, which is not followed"
    if not stat.S_ISDIR(status.st_mode):
        return "is no folder"
    if status.st_uid != os.geteuid():
        return f"belongs to user {status.st_uid}, and this is user {os.geteuid()}"
    return None


def _check_parent(folder: Path) -> Check:
    """The folder will be made, with its parents, if the nearest that exists lets us."""
    parent = next(each for each in folder.parents if each.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        return failed("folder", f"{folder} does not exist and cannot be made in {parent}", _NAME)
    return _check_space(parent, f"{folder} will be made")


def _check_space(place: Path, words: str) -> Check:
    space = os.statvfs(place)
    free = space.f_bavail * space.f_frsize
    if free < _LEAST:
        return failed(
            "folder", f"{words}; {free:,} bytes are free there", f"free or enlarge it, or {_NAME}"
        )
    return ok("folder", f"{words}; {free >> 20:,} MiB are free there")

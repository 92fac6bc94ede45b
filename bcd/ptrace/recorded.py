"""A snapshot of what a program recorded of its error, where no memory can be read."""

from __future__ import annotations

from bcd.ptrace.bounds import Limits, Remarks
from bcd.ptrace.document import Document
from bcd.ptrace.errors import RequestError
from bcd.ptrace.redact import Redactor
from bcd.ptrace.stacks import in_app, not_ours

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from typing import Any

    from bcd.ptrace.request import Request


class _Nothing:
    """A target without memory."""

    def __init__(self, limits: Limits, redactor: Redactor) -> None:
        self.limits = limits
        self.redactor = redactor
        self.remarks = Remarks()


class _Known:
    """What is known of the files of frames that were not read."""

    def __init__(self, modules: dict[str, str]) -> None:
        self.modules = modules


class Recorded(Document):
    """Builds one snapshot from a record instead of from memory.

    Args:
        request: What is asked for, with the record.
        own_folder: The folder of bcd.
        version: Of bcd.

    Raises:
        RequestError: The record is damaged.
    """

    def __init__(self, request: Request, own_folder: str, version: str) -> None:
        target: Any = _Nothing(request.limits, Redactor(request.redact, request.reveal))
        self._begin(target, request, version)
        self._loaded = version
        try:
            self._take(dict(request.record or {}), not_ours(own_folder))
        except (AttributeError, KeyError, TypeError, IndexError) as error:
            raise RequestError(
                f"the record on standard input is damaged: {type(error).__name__}: {error}"
            ) from None
        self._want_sources()

    def _take(self, record: dict[str, Any], foreign: tuple[str, ...]) -> None:
        frames: Any = _Known(dict(record["modules"]))
        self._frames = frames
        self._exceptions = record["exception"]
        entries = self._exceptions["list"] if self._exceptions else []
        if entries and self._request.error_text is not None:
            entries[0]["message"] = self._request.error_text
        redactor, limit = self._target.redactor, self._target.limits["message"]
        for entry in entries:
            entry["message"] = redactor.text(str(entry["message"])[:limit])
        self._threads = [
            {
                "tid": tid,
                "name": None,
                "daemon": None,
                "faulted": True,
                "gil": True,
                "frames": record["frames"],
            }
            for tid in sorted(self._request.faulted_threads)[:1]
        ]
        for holder in (*entries, *self._threads):
            for frame in holder["frames"]:
                frame["in_app"] = in_app(frame["file"], foreign)
        for note in record["notes"]:
            self._target.remarks.note(str(note))
        for cut in record["truncated"]:
            self._target.remarks.cut(str(cut))

"""From a folder to a store: each snapshot once, whatever happens to either.

A snapshot counts as sent when the store has taken it for good, and the store takes each id
once. So a forwarder may be killed at any moment, and several may do the same work: what one
sends again changes nothing.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from bcd.errors import SnapshotError, SnapshotNotFound, StoreError
from bcd.snapshot.format import ID_LENGTH
from bcd.store.delivery import Backoff, Forwarded
from bcd.store.kept import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bcd.store.delivery import Added, Destination, Listener, Pace
    from bcd.store.sent import Sent

__all__ = ["Forwarder"]

_MOST_AT_ONCE = 128
_MOST_BYTES_AT_ONCE = 16 << 20
_POLL_SECONDS = 1.0
_RESCAN_SECONDS = 60.0
_SETTLED_NS = 2_000_000_000  # longer than the steps of any file system's clock
_ATTEMPTS = 5


class _Item(NamedTuple):
    id: str
    name: str
    content: bytes


class Forwarder:
    """Sends the snapshots of a folder to a store.

    Args:
        folder: Path of the folder.
        connect: Opens the store; may raise a ``StoreError``, and is then tried again.
        place: The store, as messages name it.
        pace: Time, and when to end.
        listener: Is told what happens.
        sent: What was sent before, which is not sent again; None to remove each file once the
            store has its snapshot.
        backoff: How long to wait for the store.
    """

    def __init__(  # noqa: PLR0913 - the parts that tests replace
        self,
        folder: str,
        connect: Callable[[], Destination],
        place: str,
        *,
        pace: Pace,
        listener: Listener,
        sent: Sent | None,
        backoff: Backoff | None = None,
    ) -> None:
        self._path, self._connect, self._place = folder, connect, place
        self._pace, self._listener, self._sent = pace, listener, sent
        self._backoff = backoff or Backoff(0.25, 60.0)
        self._store: Destination | None = None
        self._at_once = _MOST_AT_ONCE
        self._unusable: dict[str, int | None] = {}
        self._stuck: set[str] = set()
        self._seen: tuple[int, float] | None = None
        self._failing_since = 0.0
        self.done = Forwarded()

    def once(self) -> Forwarded:
        """Send what there is; a store that does not answer is asked a few times.

        Raises:
            SnapshotNotFound: The folder is there and cannot be read.
        """
        if not self._is_absent():
            with Folder(self._path) as folder:
                self._send_all(folder, _ATTEMPTS)
        return self.done

    def watch(self) -> Forwarded:
        """Send what there is and what comes, until told to end; wait for the store for ever.

        Raises:
            SnapshotNotFound: The folder is there and cannot be read.
        """
        while True:
            if not self._is_absent():
                with Folder(self._path) as folder:
                    if self._has_changed(folder):
                        self._send_all(folder, None)
            if self._pace.wait(_POLL_SECONDS):
                return self.done

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    def _is_absent(self) -> bool:
        """Whether there is no folder yet: the first snapshot will make it."""
        try:
            os.stat(self._path)  # noqa: PTH116 - surrogates, dots
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False
        return False

    def _has_changed(self, folder: Folder) -> bool:
        """Whether to look into the folder; what changed just now may change again unnoticed."""
        changed, now = folder.changed(), self._pace.now()
        if self._seen is not None:
            seen, looked = self._seen
            if seen == changed and now - looked < _RESCAN_SECONDS:
                return False
        settled = time.time_ns() - changed > _SETTLED_NS
        self._seen = (changed, now) if settled else None
        return True

    def _send_all(self, folder: Folder, attempts: int | None) -> None:
        queue = self._pending(folder)
        self._listener.waiting(len(queue))
        while queue and self.done.failure is None and not self._pace.wait(0):
            batch = self._batch(folder, queue)
            if batch:
                self._send(folder, batch, queue, attempts)
        self.done.waiting = len(queue)

    def _send(
        self, folder: Folder, batch: Sequence[_Item], queue: deque[str], attempts: int | None
    ) -> None:
        self.done.waiting = len(batch) + len(queue)
        try:
            added = self._opened().add([(item.id, item.content) for item in batch])
        except StoreError as error:
            # Behind the others: should it fail because of one of these, the rest goes on.
            queue.extend(item.name for item in batch)
            self._fail(error, len(queue), attempts)
        else:
            self._succeed()
            self._settle(folder, batch, added)

    def _pending(self, folder: Folder) -> deque[str]:
        """Names of the files to be sent, oldest first."""
        names = folder.snapshots()
        if self._sent is not None:
            self._sent.forget_others(map(_id, names))
        unusable = {name for name, touched in self._unusable.items() if touched is not None}
        unusable = {name for name in unusable if folder.touched(name) == self._unusable[name]}
        self._unusable = {name: self._unusable[name] for name in unusable}
        done = self._stuck | unusable
        return deque(
            name
            for name in names
            if name not in done and (self._sent is None or _id(name) not in self._sent)
        )

    def _batch(self, folder: Folder, queue: deque[str]) -> list[_Item]:
        """Read the next files, so many as are sent at once."""
        batch: list[_Item] = []
        size = 0
        while queue and len(batch) < self._at_once and size < _MOST_BYTES_AT_ONCE:
            name = queue.popleft()
            touched = folder.touched(name)
            try:
                batch.append(_Item(_id(name), name, folder.read(name)))
                size += len(batch[-1].content)
            except SnapshotNotFound:
                self._listener.settled(1)  # pruned in between
            except SnapshotError as error:
                self._refuse(folder, name, touched, str(error))
        return batch

    def _opened(self) -> Destination:
        if self._store is None:
            self._store = self._connect()
        return self._store

    def _fail(self, error: StoreError, waiting: int, attempts: int | None) -> None:
        """Wait for the store, or give up."""
        self._at_once = max(1, self._at_once // 2)
        if self._backoff.failures == 0:
            self._failing_since = self._pace.now()
            if attempts is None:
                kept = f"{waiting} snapshots are kept until it takes them"
                self._listener.said(f"{error}; {kept}")
        seconds = self._backoff.next()
        if attempts is not None and self._backoff.failures >= attempts:
            self.done.failure = str(error)
        else:
            self._pace.wait(seconds)

    def _succeed(self) -> None:
        self._at_once = min(_MOST_AT_ONCE, self._at_once * 2)
        if self._backoff.failures:
            seconds = self._pace.now() - self._failing_since
            self._listener.said(f"{self._place} takes snapshots again, after {seconds:.0f} s")
        self._backoff.reset()

    def _settle(self, folder: Folder, batch: Sequence[_Item], added: Added) -> None:
        """Note what the store has, and what it will never take."""
        taken = [item for item in batch if item.id not in added.refused]
        for item in batch:
            if item.id in added.refused:
                reason = f"{folder.path_of(item.name)}: {added.refused[item.id]}"
                self._refuse(folder, item.name, folder.touched(item.name), reason)
        self.done.new += added.new
        self.done.already += len(taken) - added.new
        self._listener.sent(added.new, sum(len(item.content) for item in taken))
        self._listener.settled(len(taken))
        if self._sent is not None:
            self._sent.add([item.id for item in taken])
        else:
            self._remove_files(folder, taken)

    def _refuse(self, folder: Folder, name: str, touched: int | None, reason: str) -> None:
        """Leave a file where it is, and do not try it again as long as it is the same."""
        self._unusable[name] = touched
        self.done.damaged[folder.path_of(name)] = reason
        self._listener.damaged(reason)
        self._listener.settled(1)

    def _remove_files(self, folder: Folder, taken: Sequence[_Item]) -> None:
        for item in taken:
            try:
                self.done.removed += folder.remove([item.name])
            except OSError as error:
                self._listener.damaged(
                    f"{folder.path_of(item.name)} was sent and cannot be removed: {error.strerror}"
                )
                self._stuck.update(each.name for each in taken)  # nor can the others
                return


def _id(name: str) -> str:
    return name[:ID_LENGTH]

"""What differs between two snapshots, as data: one is ``before``, the other one ``after``."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Change",
    "Difference",
    "ErrorPair",
    "FramePair",
    "Place",
    "Raised",
    "Side",
    "StackGroup",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two snapshots.

    Attributes:
        id: Its id.
        created: When it was made, UTC, as in the document.
        pid: Of the process.
        host: Likewise.
    """

    id: str
    created: str
    pid: int
    host: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that both may have, and that differs.

    Attributes:
        name: What it is.
        before: As text; None where only the other one has it.
        after: Likewise.
    """

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception without its frames.

    Attributes:
        type: Qualified name.
        message: Its text.
        notes: What was added to it.
    """

    type: str
    message: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a frame stands.

    Attributes:
        function: Qualified name.
        file: Path.
        line: Its number, None where it has none.
        source: That line without its indentation, None where it was not recorded.
        in_app: Whether the code is the application's own.
    """

    function: str
    file: str
    line: int | None
    source: str | None
    in_app: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePair:
    """The frames of one function in two stacks.

    Attributes:
        before: None where only the other stack has it.
        after: Likewise.
        moved: It stands at another line of code; where only the number of the line differs, it
            does not.
        variables: Those whose values differ.
    """

    before: Place | None
    after: Place | None
    moved: bool = False
    variables: tuple[Change, ...] = ()

    @property
    def alike(self) -> bool:
        """Whether nothing differs."""
        return bool(self.before and self.after) and not self.moved and not self.variables


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPair:
    """One exception of each chain.

    Attributes:
        before: None where only the other chain has it.
        after: Likewise.
        frames: Of both stacks, innermost last.
        parts_at: Index of the first of these that is not at the same line of code in both; None
            where all are.
    """

    before: Raised | None
    after: Raised | None
    frames: tuple[FramePair, ...] = ()
    parts_at: int | None = None

    @property
    def alike(self) -> bool:
        """Whether nothing differs."""
        return self.before == self.after and all(pair.alike for pair in self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackGroup:
    """Threads, or tasks, that stand at one place, not as many of them in both.

    Attributes:
        before: Their names.
        after: Likewise.
        waiting_for: What they wait for, as far as it is the same for all.
        place: Where they stand: the application's innermost frame, else the innermost; None
            without frames.
    """

    before: tuple[str, ...]
    after: tuple[str, ...]
    waiting_for: str | None
    place: Place | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs between two snapshots.

    Attributes:
        before: The first one.
        after: The other one.
        one_kind: Whether their errors have the same fingerprint.
        reason: Why they were made, and of what kind they are.
        errors: Their chains, the oldest first; those that are alike as well.
        attributes: What the program told.
        process: What matters of the process.
        threads: The faulted ones are passed over.
        tasks: Likewise.
    """

    before: Side
    after: Side
    one_kind: bool
    reason: tuple[Change, ...]
    errors: tuple[ErrorPair, ...]
    attributes: tuple[Change, ...]
    process: tuple[Change, ...]
    threads: tuple[StackGroup, ...]
    tasks: tuple[StackGroup, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing differs."""
        lists = (self.reason, self.attributes, self.process, self.threads, self.tasks)
        return not any(lists) and all(pair.alike for pair in self.errors)

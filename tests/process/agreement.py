"""Compares snapshots with what programs know of themselves, and counts what was compared.

The counts make the table at the end of a run: version, kind of truth → items, differences.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Names = Sequence[str]

Truth = dict[str, Any]

PLACES = {
    "functions": ("function",),
    "files": ("file",),
    "lines": ("line", "end_line"),
    "columns": ("column", "end_column"),
}
RELATIONS = ("cause", "context", "suppress_context", "children")
_LONGEST_LINE = 400
"""Characters of a line of source that a snapshot quotes."""


class Tally:
    """How much was compared in a session, by version and kind."""

    def __init__(self) -> None:
        self._compared: Counter[tuple[str, str]] = Counter()
        self._differing: Counter[tuple[str, str]] = Counter()

    def add(self, version: str, kind: str, *, differs: bool) -> None:
        """Count one comparison."""
        self._compared[version, kind] += 1
        self._differing[version, kind] += differs

    def table(self) -> Iterator[str]:
        """The lines of the table, a kind in each: of every version items and differences."""
        versions = sorted({version for version, _ in self._compared})
        if not versions:
            return
        yield f"{'compared: differences':24}" + "".join(f"{version:>14}" for version in versions)
        for kind in dict.fromkeys(kind for _, kind in self._compared):
            yield f"{kind:24}" + "".join(self._cell(version, kind) for version in versions)

    def _cell(self, version: str, kind: str) -> str:
        counts = f"{self._compared[version, kind]:,}: {self._differing[version, kind]}"
        return f"{counts:>14}"


class Agreement:
    """Compares one snapshot after the other with the truth, for one version of Python.

    Attributes:
        differences: What differed, a sentence each.
    """

    def __init__(self, version: str, tally: Tally) -> None:
        self.differences: list[str] = []
        self._version = version
        self._tally = tally

    def equal(self, kind: str, where: str, truth: object, shown: object) -> None:
        """Compare one item."""
        differs = type(truth) is not type(shown) or truth != shown
        self._tally.add(self._version, kind, differs=differs)
        if differs:
            self.differences.append(f"{kind} of {where}: is {truth!r}, shown as {shown!r}")

    def whole(self, truth: Truth, snapshot: Truth) -> None:
        """Compare all sections that the truth has, and that nothing was left out."""
        if "exception" in truth:
            self.exceptions(truth["exception"], snapshot)
        if "threads" in truth:
            self.threads(truth["threads"], snapshot)
        if "tasks" in truth:
            self.tasks(truth["tasks"], snapshot)

    def told(self, kind: str, truths: Mapping[str, object], shown: Mapping[str, object]) -> None:
        """Compare items by their names: all that the truth has."""
        for name, truth in truths.items():
            self.equal(kind, name, truth, shown.get(name, "nothing at all"))

    def variables(
        self, kind: str, truths: Sequence[tuple[str, str]], shown: Sequence[Truth], names: Names
    ) -> None:
        """Compare the variables of one frame, each by its type and by its ``repr``."""
        self.equal("names of variables", "the frame", len(truths), len(shown))
        for name, (type_name, text), variable in zip(names, truths, shown, strict=False):
            self.equal(f"types of {kind}", name, type_name, variable["type"])
            self.equal(kind, name, text, variable["value"])

    def complete(self, snapshot: Truth, *excused: str) -> None:
        """Compare what is said to be left out or unreadable with nothing."""
        said = [*snapshot["notes"], *snapshot["truncated"]]
        said = [remark for remark in said if not any(excuse in remark for excuse in excused)]
        self.equal("notes and cuts", "the snapshot", [], said)

    def exceptions(self, truth: Truth, snapshot: Truth, chain: Truth | None = None) -> None:
        """Compare a whole chain, exception by exception, each with its frames.

        Args:
            truth: The chain.
            snapshot: The snapshot.
            chain: What it shows of it, if that is not the error.
        """
        truths, shown = outline(truth), outline(chain or snapshot["exception"])
        self.equal("exceptions", "the chain", len(truths), len(shown))
        for one, other in zip(truths, shown, strict=False):
            where = f"{one['type']} {one['message'][:40]!r}"
            self.equal("types of exceptions", where, one["type"], other["type"])
            self.equal("messages", where, one["message"], other["message"])
            self.equal("notes of exceptions", where, one["notes"], other["notes"])
            for relation in RELATIONS:
                self.equal("relations", where, one[relation], other[relation])
            self.frames(where, one["frames"], other["frames"], snapshot)

    def frames(
        self, where: str, truths: Sequence[Truth], shown: Sequence[Truth], snapshot: Truth
    ) -> None:
        """Compare a stack, frame by frame."""
        self.equal("frames", where, len(truths), len(shown))
        for truth, frame in zip(truths, shown, strict=False):
            place = f"{truth['function']} ({truth['file']}:{truth['line']}, {where})"
            for kind, parts in PLACES.items():
                self.equal(kind, place, [truth[part] for part in parts], [frame[p] for p in parts])
            self._source(place, truth, frame, snapshot)
            self._variables(place, truth, frame["locals"])

    def _source(self, place: str, truth: Truth, frame: Truth, snapshot: Truth) -> None:
        line = truth["source"].rstrip("\n")
        if line and len(line) < _LONGEST_LINE:
            lines = snapshot["sources"].get(frame["file"], {})
            self.equal("sources", place, line, lines.get(str(frame["line"])))

    def _variables(self, place: str, truth: Truth, shown: list[Truth]) -> None:
        truths = truth["locals"]
        if truth.get("partial"):  # each once, and at least those that the process can tell
            known = {name for name, _, _ in truths}
            self.equal("names of variables", place, len(shown), len({v["name"] for v in shown}))
            shown = sorted((v for v in shown if v["name"] in known), key=_name)
            truths = sorted(truths)
        names = [variable["name"] for variable in shown]
        self.equal("names of variables", place, [name for name, _, _ in truths], names)
        for (name, kind, value), variable in zip(truths, shown, strict=False):
            where = f"{name} in {place}"
            self.equal("types of variables", where, kind, variable["type"])
            secret = "token" in name and variable["value"] == "[redacted]"  # as it has to be
            if value is not None and not secret:
                self.equal("values", where, value, variable["value"])

    def threads(self, truths: list[Truth], snapshot: Truth) -> None:
        """Compare all threads by their ids."""
        shown = {thread["tid"]: thread for thread in snapshot["threads"]}
        ids = sorted(truth["tid"] for truth in truths)
        self.equal("threads", "the process", ids, sorted(shown))
        for truth in truths:
            thread = shown.get(truth["tid"])
            if thread is None:
                continue
            where = f"thread {truth['name']}"
            self.equal("ids of threads", where, truth["tid"], thread["tid"])
            self.equal("names of threads", where, truth["name"], thread["name"])
            self.equal("daemon threads", where, truth["daemon"], thread["daemon"])
            self.equal("who holds the GIL", where, truth["own"], thread["gil"])
            self.frames(where, truth["frames"], thread["frames"], snapshot)
            self._handled(where, truth, thread, snapshot)

    def _handled(self, where: str, truth: Truth, holder: Truth, snapshot: Truth) -> None:
        """Compare what a thread or task is handling, where that is known."""
        if "handling" not in truth:
            return
        shown = holder.get("handling")
        self.equal("handled exceptions", where, truth["handling"] is None, shown is None)
        if truth["handling"] is not None and shown is not None:
            self.exceptions(truth["handling"], snapshot, shown)

    def tasks(self, truths: list[Truth], snapshot: Truth) -> None:
        """Compare all tasks by their ids."""
        shown = {task["id"]: task for task in snapshot["tasks"]}
        self.equal("tasks", "the process", sorted(t["id"] for t in truths), sorted(shown))
        for truth in truths:
            task = shown.get(truth["id"])
            if task is None:
                continue
            where = f"task {truth['name']}"
            for part in ("id", "name", "state"):
                self.equal(f"{part}s of tasks", where, truth[part], task[part])
            self._waits(where, truth, shown)
            self.frames(where, truth["frames"], task["frames"], snapshot)
            self._handled(where, truth, task, snapshot)

    def _waits(self, where: str, truth: Truth, shown: Mapping[str, Truth]) -> None:
        """Compare who waits for a task, and that it is among those who wait for what it awaits."""
        own = truth["id"]
        if truth.get("awaited_by") is not None:
            waiting = sorted(shown[own]["awaited_by"])
            self.equal("who waits for whom", where, truth["awaited_by"], waiting)
        for awaited in truth["waits_for"]:
            waiting = shown[awaited]["awaited_by"] if awaited in shown else []
            known = [each for each in waiting if each == own]
            self.equal("who waits for whom", f"{awaited} by {where}", [own], known)


def _name(variable: Truth) -> str:
    return str(variable["name"])


def outline(chain: Truth) -> list[Truth]:
    """A chain with its exceptions numbered in the order of a walk, whatever their order was."""
    numbers: dict[int, int] = {}
    waiting = [chain["root"]]
    while waiting:
        index = waiting.pop()
        if index is None or index in numbers:
            continue
        numbers[index] = len(numbers)
        entry = chain["list"][index]
        waiting += [*reversed(entry["children"]), entry["context"], entry["cause"]]
    assert len(numbers) == len(chain["list"]), "every exception has to be reachable"
    return [_renumbered(chain["list"][index], numbers) for index in numbers]


def _renumbered(entry: Truth, numbers: dict[int, int]) -> Truth:
    """One exception that names others by their new numbers."""
    related = {name: _number(entry[name], numbers) for name in ("cause", "context")}
    return {**entry, **related, "children": [numbers[child] for child in entry["children"]]}


def _number(index: int | None, numbers: dict[int, int]) -> int | None:
    return None if index is None else numbers[index]

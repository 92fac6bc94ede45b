"""What becomes of a document that is too large: what tells the least of it goes first."""

from __future__ import annotations

from bcd.ptrace.write import encode

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SENTENCE = 200
"""Bytes, at the most, of what is said of one step."""

_UNKNOWN = float("inf")
"""How much is too much where there is not even memory to encode all."""


def fitting(document: dict[str, Any], limit: int) -> bytes:
    """Encode a document, less what does not fit; the steps that it takes are said in it.

    Args:
        document: All that was read; is changed.
        limit: How many bytes it may have.
    """
    data = _encoded(document)
    for shrink in SHRINKING:
        if data is not None and len(data) <= limit:
            break
        excess = _UNKNOWN if data is None else len(data) - limit + _SENTENCE
        data = None
        document["truncated"].append(shrink(document, excess))
        data = _encoded(document)
    return data or encode(document)


def _encoded(document: dict[str, Any]) -> bytes | None:
    """The document as JSON, None where there is not enough memory for it."""
    try:
        return encode(document)
    except MemoryError:
        return None


def stacks_of(holder: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """The stacks of a thread or task, and of the exceptions that it handles."""
    handled = holder["handling"]["list"] if "handling" in holder else ()
    return [holder["frames"], *(error["frames"] for error in handled)]


def _without_outer_variables(document: dict[str, Any], excess: float) -> str:
    """Frames lose their variables from the outside in, until enough is gone."""
    count = 0
    for _, frame in sorted(_frames_of_others(document), key=lambda item: -item[0]):
        if excess <= 0:
            break
        excess -= len(encode(frame)) - len(encode({**frame, "locals": []}))
        frame["locals"] = []
        count += 1
    return (
        f"variables of {count:,} outer frames of threads and tasks that are not faulted: the"
        " document was too large"
    )


def _frames_of_others(document: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(frames further in, frame) of those that have variables, where no one is to blame."""
    for holder in (*document["tasks"], *document["threads"]):
        for stack in () if holder.get("faulted") else stacks_of(holder):
            for index, frame in enumerate(reversed(stack)):
                if frame["locals"]:
                    yield index, frame


def _without_tasks(document: dict[str, Any], excess: float) -> str:
    """The last tasks go, until that is enough or only those that are to blame are left."""
    kept: list[dict[str, Any]] = []
    tasks, document["tasks"] = document["tasks"], kept
    for task in reversed(tasks):
        if excess > 0 and not task.get("faulted"):
            excess -= len(encode(task))
        else:
            kept.append(task)
    kept.reverse()
    return f"{len(tasks) - len(kept):,} tasks: the document was too large"


def _bare(document: dict[str, Any], _excess: float) -> str:
    for holder in (*document["threads"], *document["tasks"]):
        holder.pop("handling", None)
        holder["frames"] = holder["frames"][-_LAST:]
        for frame in holder["frames"]:
            frame["locals"] = []
    document["sources"] = {}
    return (
        "sources, variables and outer frames of threads and tasks, and the exceptions that they"
        " handle: the document was too large"
    )


def _innermost(document: dict[str, Any], _excess: float) -> str:
    for holders in ("threads", "tasks"):
        document[holders] = [each for each in document[holders] if each.get("faulted")]
    document["notes"] = document["notes"][:_LAST]
    for index, error in enumerate(_errors(document)):
        error["message"] = error["message"][:400]
        error["notes"] = []
        error["frames"] = error["frames"][-_LAST:]
        for frame in error["frames"][: None if index else -_LAST // 2]:
            frame["locals"] = []
    return (
        "all but the faulted threads and tasks, the innermost frames of the exceptions, and most"
        " of their variables: the document was too large"
    )


def _without_variables(document: dict[str, Any], _excess: float) -> str:
    for holder in (*_errors(document), *document["threads"]):
        for frame in holder["frames"]:
            frame["locals"] = []
    return "all variables: the document was too large"


def _hardly_anything(document: dict[str, Any], _excess: float) -> str:
    """Whatever was read, what this leaves is less than 16 KiB."""
    document["process"] = {"pid": document["process"]["pid"]}
    document["attributes"], document["classifiers"] = {}, []
    document["threads"], document["tasks"] = [], []
    for sentences in ("notes", "truncated", "deadlocks"):
        document.get(sentences, []).clear()
    for root in _errors(document)[:1]:
        document["exception"] = {"root": 0, "list": [root]}
        root["cause"], root["context"], root["children"] = None, None, []
        root["type"], root["message"] = root["type"][:_SHORT], root["message"][:_SHORT]
        root["frames"] = root["frames"][-_FEW:]
        for frame in root["frames"]:
            frame["function"], frame["file"] = frame["function"][:_SHORT], frame["file"][-_SHORT:]
    return "all but the beginning of the exception: the document was too large"


def _errors(document: dict[str, Any]) -> list[dict[str, Any]]:
    return document["exception"]["list"] if document["exception"] else []


_LAST, _FEW = 20, 5
"""Frames of a stack."""

_SHORT = 100
SHRINKING = (
    _without_outer_variables,
    _without_tasks,
    _bare,
    _innermost,
    _without_variables,
    _hardly_anything,
)

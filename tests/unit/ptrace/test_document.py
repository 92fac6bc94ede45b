"""One snapshot: each part for itself, in bounds, and valid whatever happens to it."""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from bcd.ptrace.document import Document
from bcd.ptrace.errors import CalibrationError, DeadlineReached, MemoryFault
from bcd.ptrace.exceptions import Exceptions
from bcd.ptrace.redact import Redactor
from bcd.ptrace.request import Request
from bcd.ptrace.stacks import Stacks
from bcd.ptrace.tasks import Tasks
from bcd.snapshot import load_schema
from bcd.snapshot.format import kind_in, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcd.ptrace.target import Target

CLOSED = jsonschema.Draft202012Validator(load_schema(closed=True))
OWN_FOLDER = "/nowhere/bcd/"


def fails(depth: int, payload: object) -> None:
    """Raise from a stack of some depth, with something large in every frame."""
    if depth:
        fails(depth - 1, payload)
    raise LookupError("failed")


def raised(depth: int = 3, payload: object = "payload") -> LookupError:
    """An exception with its traceback."""
    try:
        fails(depth, payload)
    except LookupError as error:
        return error
    raise AssertionError


@pytest.fixture
def document(target: Callable[..., Target]) -> Callable[..., dict[str, Any]]:
    """Take a snapshot of this process in this process, with some limits and attributes set."""

    def take(
        error: BaseException | None = None,
        attributes: dict[str, str] | None = None,
        redactor: Redactor | None = None,
        **limits: int,
    ) -> dict[str, Any]:
        request = Request()
        request.pid = os.getpid()
        request.faulted_threads = {threading.get_native_id()}
        request.attributes = attributes or {}
        request.error_text = request.attributes.get("error")
        request.hints = {} if error is None else {"error": id(error)}
        building = Document(target(redactor, **limits), request, OWN_FOLDER, "1.2.3")
        building.read(lambda: None)
        _, data = building.finish(1.5)
        made: dict[str, Any] = json.loads(data)
        CLOSED.validate(made)
        made["size"] = len(data)
        return made

    return take


class TestWhole:
    def test_all_parts(self, document: Callable[..., dict[str, Any]]) -> None:
        """Everything has its place."""
        error = raised()
        made = document(error, {"error": "failed", "http.route": "/x"})
        assert kind_in(made["id"]) == kind_in(new_id(made["reason"]["fingerprint"]))
        assert made["attributes"] == {"error": "failed", "http.route": "/x"}
        assert made["tracer"]["blocked_ms"] == 1.5
        assert made["tracer"]["version"] == "1.2.3"
        assert made["process"]["pid"] == os.getpid()
        (entry,) = made["exception"]["list"]
        assert entry["message"] == "failed"
        assert [frame["function"] for frame in entry["frames"]] == ["raised", *["fails"] * 4]
        assert any(thread["faulted"] for thread in made["threads"])

    def test_without_an_exception(self, document: Callable[..., dict[str, Any]]) -> None:
        """A snapshot that was asked for has none."""
        assert document()["exception"] is None

    def test_the_fingerprint(self, document: Callable[..., dict[str, Any]]) -> None:
        """The same fault has the same fingerprint, another one another."""
        same = {document(raised(n))["reason"]["fingerprint"] for n in (5, 5, 6)}
        assert len(same) == 1, "not the depth of the recursion, whose innermost frames are equal"
        assert document(KeyError("other"))["reason"]["fingerprint"] not in same


class TestSections:
    @pytest.mark.parametrize("fault", [MemoryFault("torn"), ValueError("odd"), IndexError("out")])
    @pytest.mark.parametrize(
        ("reader", "name"), [(Exceptions, "exception"), (Stacks, "threads"), (Tasks, "tasks")]
    )
    def test_a_fault_in_one(
        self,
        document: Callable[..., dict[str, Any]],
        monkeypatch: pytest.MonkeyPatch,
        reader: type,
        name: str,
        fault: Exception,
    ) -> None:
        """A section that cannot be read becomes a note, and the others stand."""

        def fail(*_args: object, **_kwargs: object) -> None:
            raise fault

        monkeypatch.setattr(reader, "states" if reader is Stacks else "read", fail)
        made = document(raised())
        assert any(note.startswith(f"{name}: ") and str(fault) in note for note in made["notes"])
        assert (made["exception"] is None) == (name == "exception")
        assert (made["threads"] == []) == (name == "threads")

    def test_time_that_is_over(
        self, document: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A section that the time did not suffice for says so, and the others stand."""

        def late(*_args: object, **_kwargs: object) -> None:
            raise DeadlineReached("over")

        monkeypatch.setattr(Tasks, "read", late)
        made = document(raised())
        assert "tasks: the time for reading was over" in made["truncated"]
        assert made["exception"] is not None

    def test_an_interrupt_between_two_of_them(
        self, document: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was read until then is kept, and the snapshot says that something is missing."""

        def late(_document: Document) -> None:
            raise DeadlineReached("interrupted")

        monkeypatch.setattr(Document, "_want_sources", late)
        made = document(raised())
        assert made["truncated"] == ["what was left to read: interrupted"]
        assert made["exception"] is not None
        assert made["tracer"]["read_ms"] > 0

    def test_no_interpreter(
        self, target: Callable[..., Target], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where there is no interpreter at all there is no snapshot, but a reason."""
        made = target()
        monkeypatch.setattr(made.layout, "slide", 1 << 46)
        with pytest.raises(CalibrationError, match="interpreter"):
            Document(made, Request(), OWN_FOLDER, "0")


class TestLimits:
    def test_frames(self, document: Callable[..., dict[str, Any]]) -> None:
        """The first and last frames are kept, and the gap is counted."""
        made = document(raised(100), frames=10)
        frames = made["exception"]["list"][0]["frames"]
        assert len(frames) == 10
        assert [f.get("skipped_before") for f in frames if "skipped_before" in f] == [92]
        assert any("102 frames" in sentence for sentence in made["truncated"])

    def test_variables(self, document: Callable[..., dict[str, Any]]) -> None:
        """So many variables of a frame are kept."""
        made = document(raised(), variables=1)
        frames = made["exception"]["list"][0]["frames"]
        assert all(len(frame["locals"]) <= 1 for frame in frames)
        assert "fails: the first 1 variables" in made["truncated"]

    def test_exceptions(self, document: Callable[..., dict[str, Any]]) -> None:
        """So many exceptions of a chain are kept, and no index leads out of the list."""
        error: BaseException = raised()
        for _ in range(300):
            wrapper = LookupError("wrapped")
            wrapper.__cause__ = error
            error = wrapper
        made = document(error, exceptions=7)
        chain = made["exception"]["list"]
        assert len(chain) == 7
        assert chain[-1]["cause"] is None
        assert any("the first 7 of the chain" in sentence for sentence in made["truncated"])

    def test_threads(self, document: Callable[..., dict[str, Any]]) -> None:
        """So many threads are kept, first of all the one to blame."""
        done = threading.Event()
        threads = [threading.Thread(target=done.wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            made = document(threads=2)
            assert len(made["threads"]) == 2
            assert "threads: the first 2" in made["truncated"]
            assert [each["faulted"] for each in made["threads"]] == [True, False]
        finally:
            done.set()
            for thread in threads:
                thread.join()

    def test_messages(self, document: Callable[..., dict[str, Any]]) -> None:
        """A long message is cut, whether it was read or handed over."""
        error = LookupError("x" * 10_000)
        for attributes in ({}, {"error": "x" * 10_000}):
            made = document(error, attributes, message=50)
            assert made["exception"]["list"][0]["message"] == "x" * 50 + "…"
            assert any("10,000 characters" in sentence for sentence in made["truncated"])

    def test_notes(self, document: Callable[..., dict[str, Any]]) -> None:
        """So many notes of an exception are kept."""
        error = raised()
        for number in range(7):
            error.add_note(f"note {number}")
        made = document(error, items=3)
        assert made["exception"]["list"][0]["notes"] == ["note 0", "note 1", "note 2"]
        assert "notes of an exception: the first 3 of 7" in made["truncated"]

    def test_values(self, document: Callable[..., dict[str, Any]]) -> None:
        """When all values are used up the rest goes without variables, and that is said."""
        made = document(raised(50, [1, 2, 3]), values=30)
        assert any("used up" in sentence for sentence in made["truncated"])
        frames = made["exception"]["list"][0]["frames"]
        assert len(frames) == 52
        assert frames[-1]["locals"], "the innermost come first"

    @pytest.mark.parametrize("limit", [200_000, 100_000, 50_000, 20_000])
    def test_the_size_of_the_document(
        self, document: Callable[..., dict[str, Any]], limit: int
    ) -> None:
        """A document that is too large loses what tells least; what is innermost stays."""
        payload = [[f"{n} {m} some text" * 5 for n in range(10)] for m in range(10)]
        made = document(raised(300, payload), file_bytes=limit)
        assert made["size"] <= limit
        assert any("too large" in sentence for sentence in made["truncated"])
        entry = made["exception"]["list"][0]
        assert entry["type"] == "LookupError"
        assert entry["frames"][-1]["function"] == "fails"

    def test_no_content_breaks_the_size(self, document: Callable[..., dict[str, Any]]) -> None:
        """Names, attributes and chains may be as long as they like: 16 KiB suffice."""

        def fails() -> None:
            local = "\U0001f600" * 1000
            raise type("E" * 900, (LookupError,), {})("\U0001f600" * 4000, local)

        fails.__code__ = fails.__code__.replace(
            co_qualname="\u1234" * 500, co_filename="/\u1234" * 250
        )
        error: BaseException | None = None
        for _ in range(40):
            try:
                fails()
            except LookupError as found:
                found.__cause__, error = error, found
        attributes = {f"{number}" * 200: "\U0001f600" * 4000 for number in range(50)}
        made = document(error, attributes, file_bytes=16 * 1024)
        assert made["size"] <= 16 * 1024
        assert made["exception"]["list"][0]["type"].endswith("EEE")
        assert made["truncated"] == [
            "all but the beginning of the exception: the document was too large"
        ]

    def test_values_go_to_the_innermost_frames_of_all_threads(
        self, document: Callable[..., dict[str, Any]]
    ) -> None:
        """Where not all can be read, no stack has all of its own while another has none."""
        gate = threading.Event()

        def stand(frames: int) -> None:
            label = [frames] * 5
            if frames:
                stand(frames - 1)
            else:
                ready.release()
                gate.wait()
            del label

        ready = threading.Semaphore(0)
        threads = [threading.Thread(target=stand, args=(9,), daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in threads:
            ready.acquire()
        made = document(raised(), values=300)
        gate.set()
        stacks = [
            [
                bool(frame["locals"])
                for frame in thread["frames"]
                if frame["function"].endswith("stand")
            ]
            for thread in made["threads"]
        ]
        stacks = [stack for stack in stacks if stack]
        assert len(stacks) == 4
        assert all(stack[-1] and not stack[0] for stack in stacks)
        assert max(map(sum, stacks)) - min(map(sum, stacks)) <= 1
        assert any("those furthest out" in sentence for sentence in made["truncated"])


class TestSecrets:
    def test_everywhere(self, document: Callable[..., dict[str, Any]]) -> None:
        """A secret that one variable gives away is replaced in every other place."""
        secret = "hunter2-and-more"  # noqa: S105 - no true one

        def inner(password: str, copied: list[str]) -> None:
            raise LookupError(f"cannot log in with {password}", len(copied))

        try:
            inner(secret, [secret])
        except LookupError as error:
            error.add_note(f"tried {secret}")
            made = document(error, {"error": f"with {secret}", "csrf_token": "a", "free": secret})
        whole = json.dumps({key: made[key] for key in ("exception", "attributes", "notes")})
        assert "hunter2" not in whole
        assert set(made["attributes"].values()) == {"with [redacted]", "[redacted]"}
        assert made["exception"]["list"][0]["message"] == "with [redacted]"
        threads = json.dumps(made["threads"])
        assert secret not in threads

    def test_revealed_names(self, document: Callable[..., dict[str, Any]]) -> None:
        """A name that is relaxed is shown; one that is added is not."""

        def inner(session: int, salary: int) -> None:
            raise LookupError(session + salary)

        try:
            inner(12345, 67890)
        except LookupError as error:
            made = document(error, redactor=Redactor(["salary"], ["session"]))
        shown = {
            v["name"]: v["value"] for v in made["exception"]["list"][0]["frames"][-1]["locals"]
        }
        assert shown == {"session": "12345", "salary": "[redacted]"}

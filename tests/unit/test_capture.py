"""The one path that every hook takes from an error to a trace."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pickle
import sys
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect
from starlette.websockets import WebSocketDisconnect
from werkzeug.exceptions import BadGateway, InternalServerError, NotFound

from bcd.engine import TraceResult, type_name
from bcd.errors import Busy, ConfigError, StartError
from bcd.integrations import _capture, _complaints, asgi, wsgi
from bcd.integrations._attributes import clean_all
from bcd.integrations._capture import Capture
from bcd.integrations._complaints import Complaints
from bcd.integrations._suppressed import Suppressed, suppressed
from bcd.integrations._turns import turns
from bcd.scope import MARK, already_seen, clean
from bcd.tracer import TraceOptions, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass
class FakeTrace:
    """Stands in for the engine and keeps what it was asked for."""

    busy: bool = False
    failure: Exception | None = None
    outcome: TraceResult = field(default_factory=TraceResult)
    during: Callable[[], None] = lambda: None
    errors: list[BaseException | None] = field(default_factory=list)
    attributes: list[Mapping[str, str]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def __call__(  # noqa: PLR0913 - the engine's signature
        self,
        tracer: Tracer,
        error: BaseException | None = None,
        options: TraceOptions | None = None,
        *,
        wait: bool = True,
        detach: bool = False,
        attributes: Callable[[], Mapping[str, str] | None] | None = None,
        thread: int | None = None,
        task: int | None = None,
    ) -> TraceResult:
        """Note the call, and answer as told."""
        if self.busy:
            return TraceResult(error=Busy("another trace runs"))
        self.during()
        if self.failure is not None:
            raise self.failure
        found = attributes() if attributes is not None else {}
        if found is None:
            return TraceResult(dropped=True)
        self.errors.append(error)
        self.attributes.append(found)
        self.calls.append(
            {
                "tracer": tracer,
                "options": options,
                "wait": wait,
                "detach": detach,
                "thread": threading.get_native_id(),
                "faulted": thread,
                "task": task,
            }
        )
        return self.outcome


class FakeMemoryTracer:
    """A tracer that works on a frozen copy."""

    def finalize_memory(self) -> None:
        """Only has to be there."""


class FakeLiveTracer:
    """A tracer that reads the live process."""

    def __init__(self, timeout: float | timedelta = 0.0) -> None:
        self.timeout = timeout

    def default_trace_options(self) -> TraceOptions:
        """What a trace does that is told nothing."""
        return TraceOptions(faulted=True, timeout=self.timeout)


@dataclass
class FakeOccasion:
    """A request about which everything is known."""

    number: int = 1
    gone: bool = False
    found: dict[str, str] = field(default_factory=dict)
    described: int = 0

    def scope(self) -> int:
        """The request's number."""
        return self.number

    def client_gone(self) -> bool:
        """Whether the client went away."""
        return self.gone

    def attributes(self, _: BaseException) -> dict[str, str]:
        """What was found out, and how often that was asked for."""
        self.described += 1
        return self.found


MEMORY = cast("Tracer", FakeMemoryTracer())


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    suppressed.clear()
    turns.clear()
    monkeypatch.setattr(_complaints.complain, "_silent_until", float("-inf"))


@pytest.fixture
def trace() -> FakeTrace:
    """An engine that says yes to everything."""
    return FakeTrace()


def capture(trace: FakeTrace, tracer: Tracer = MEMORY, **settings: Any) -> Capture:
    """A hook's capture that runs no real trace."""
    return Capture("test", tracer, run=trace, **settings)


def raised(error: BaseException) -> BaseException:
    """The error with a traceback."""
    try:
        raise error  # noqa: TRY301 - that is the point
    except BaseException as caught:  # noqa: BLE001 - any
        return caught


class TestTrace:
    def test_starts_a_trace_and_goes_on(self, trace: FakeTrace) -> None:
        """An error takes the slot without waiting and leaves the tracer to itself."""
        error = raised(ValueError("boom"))
        capture(trace).take(error, FakeOccasion())
        assert trace.errors == [error]
        assert trace.calls[0]["wait"] is False
        assert trace.calls[0]["detach"] is True
        assert trace.calls[0]["options"] is None

    def test_changes_nothing_on_the_error(self, trace: FakeTrace) -> None:
        """Chain and traceback of the program's error stay as they are (trap 10)."""
        cause, context = KeyError("cause"), KeyError("context")
        error = raised(ValueError("boom"))
        error.__context__ = context
        error.__cause__ = cause
        before = (error.__traceback__, error.__cause__, error.__context__, error.args)
        trace.failure = RuntimeError("bcd fails")
        try:
            raise error
        except ValueError as caught:
            before = (caught.__traceback__, cause, context, error.args)
            capture(trace).take(caught, FakeOccasion())
        after = (error.__traceback__, error.__cause__, error.__context__, error.args)
        assert after == before
        assert error.__suppress_context__

    def test_does_nothing_costly_when_the_slot_is_taken(self, trace: FakeTrace) -> None:
        """Neither the error's text nor attributes are asked for when no trace will run."""

        class Shy(Exception):  # noqa: N818 - it is
            def __str__(self) -> str:
                return pytest.fail("nobody needs the text")

        def never(*_: object) -> None:
            pytest.fail("nobody needs the attributes")

        trace.busy = True
        occasion = FakeOccasion()
        capture(trace, before_trace=never).take(raised(Shy()), occasion)
        assert occasion.described == 0
        assert suppressed.take(f"{__name__}.{Shy.__qualname__}") == 1

    def test_waits_for_a_tracer_that_reads_the_live_process(self, trace: FakeTrace) -> None:
        """Without a frozen copy somebody has to wait, but for 10 seconds at most."""
        live = cast("Tracer", FakeLiveTracer())
        capture(trace, live).take(ValueError(), FakeOccasion())
        options = trace.calls[0]["options"]
        assert trace.calls[0]["detach"] is False
        assert options == TraceOptions(faulted=True, timeout=10.0)

    @pytest.mark.parametrize(
        ("given", "used"),
        [(0, 10), (120, 10), (-1, 10), (2.5, 2.5), (timedelta(seconds=3), timedelta(seconds=3))],
    )
    def test_waits_no_longer_than_told(self, trace: FakeTrace, given: float, used: float) -> None:
        """A shorter time-out is kept, a longer, missing or endless one is cut."""
        live = cast("Tracer", FakeLiveTracer())
        capture(trace, live, options=TraceOptions(timeout=given)).take(ValueError(), FakeOccasion())
        assert trace.calls[0]["options"].timeout == used

    def test_uses_the_default_tracer_of_the_moment(
        self, trace: FakeTrace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A default tracer that was set after the hook is used all the same."""
        hook = Capture("test", run=trace)
        monkeypatch.setattr("bcd.tracers._default", {"tracer": MEMORY})
        hook.take(ValueError(), FakeOccasion())
        assert trace.calls[0]["tracer"] is MEMORY


class Teapot(StarletteHTTPException):
    """Its status would have to be computed by the program."""

    def __init__(self) -> None:
        super().__init__(418)

    @property
    def status_code(self) -> int:
        """Must not be run."""
        pytest.fail("code of the program was run")

    @status_code.setter
    def status_code(self, value: int) -> None:
        self.__dict__["status_code"] = value


def raised_in(module: str, error: BaseException) -> BaseException:
    """The error as raised by code of a module."""
    code = compile("raise error", f"<{module}>", "exec")
    try:
        exec(code, {"__name__": module, "error": error})  # noqa: S102 - a frame of that module
    except BaseException as caught:  # noqa: BLE001 - any
        return caught
    raise AssertionError


class TestExpected:
    def test_runs_no_property(self, trace: FakeTrace) -> None:
        """The status is read where it is stored; a property of the program is not run."""
        capture(trace).take(Teapot(), FakeOccasion())
        assert trace.errors == []

    @pytest.mark.parametrize(
        "error",
        [
            SystemExit(1),
            KeyboardInterrupt(),
            GeneratorExit(),
            asyncio.CancelledError(),
            StarletteHTTPException(404),
            ClientDisconnect(),
            WebSocketDisconnect(),
            NotFound(),
            BaseExceptionGroup("all expected", [SystemExit(), ExceptionGroup("", [NotFound()])]),
        ],
        ids=repr,
    )
    def test_lets_normal_service_pass(self, trace: FakeTrace, error: BaseException) -> None:
        """What belongs to normal service is neither traced nor counted."""
        capture(trace).take(error, FakeOccasion())
        assert trace.errors == []
        assert suppressed.take(type_name(error)) == 0

    @pytest.mark.parametrize(
        "error",
        [
            ValueError(),
            StarletteHTTPException(503),
            InternalServerError(),
            BadGateway(),
            BaseExceptionGroup("", [SystemExit(), ExceptionGroup("", [NotFound(), KeyError()])]),
        ],
        ids=repr,
    )
    def test_traces_the_rest(self, trace: FakeTrace, error: BaseException) -> None:
        """Server errors and groups with one unexpected leaf are traced."""
        capture(trace).take(error, FakeOccasion())
        assert trace.errors == [error]

    @pytest.mark.parametrize(
        "ignore",
        [
            [LookupError],
            [KeyError, OSError],
            ["KeyError"],
            ["LookupError"],
            KeyError,
            "KeyError",
            ("shop.NoSuchThing", KeyError),
        ],
    )
    def test_lets_pass_what_the_user_ignores(self, trace: FakeTrace, ignore: Any) -> None:
        """Classes and their names are ignored, and so are their subclasses."""
        hook = capture(trace, ignore=ignore)
        hook.take(KeyError(), FakeOccasion())
        hook.take(ExceptionGroup("", [KeyError()]), FakeOccasion())
        assert trace.errors == []
        hook.take(ValueError(), FakeOccasion())
        assert len(trace.errors) == 1

    def test_what_is_known_of_a_type_keeps_it_from_nobody(self, trace: FakeTrace) -> None:
        """A class that the program made and forgot is gone, and none is taken for another."""
        hook = capture(trace)
        kind: Any = type("Passing", (Exception,), {})
        hook.take(kind(), FakeOccasion())
        known = hook._all_ignored()._known
        (kept,) = [one for one, name in known.values() if name.endswith("Passing")]
        trace.errors.clear()
        del kind
        gc.collect()
        assert kept() is None
        known[id(KeyError)] = (kept, "Passing")  # as if it came to lie where that one lay
        assert hook._all_ignored().never_has(KeyError()) == "KeyError"

    @pytest.mark.parametrize("ignore", [[3], [int], [KeyError("instance")]])
    def test_refuses_what_cannot_be_ignored(self, trace: FakeTrace, ignore: Any) -> None:
        """A wrong entry is named when the hook is made, not when an error comes."""
        with pytest.raises(ConfigError, match="ignore is "):
            capture(trace, ignore=ignore)

    @pytest.mark.parametrize("kind", [ConnectionResetError, BrokenPipeError])
    def test_knows_whose_connection_broke(
        self, trace: FakeTrace, kind: type[ConnectionError]
    ) -> None:
        """A lost client is expected, a lost database is not."""
        hook = capture(trace)
        hook.take(raised_in("gunicorn.http.wsgi", kind()), FakeOccasion())
        hook.take(raised_in("shop.database", kind()), FakeOccasion(gone=True))
        assert trace.errors == []
        error = raised_in("shop.database", kind())
        hook.take(error, FakeOccasion())
        assert trace.errors == [error]


@dataclass(frozen=True)
class Frozen(Exception):  # noqa: N818 - it is
    """An exception that refuses attributes."""

    code: int = 1


class Slotted(Exception):  # noqa: N818 - it is
    """An exception without a dictionary of its own."""

    __slots__ = ("code",)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class TestDuplicates:
    @pytest.mark.parametrize("error", [ValueError(), Frozen(), Slotted(), OSError(2, "no")])
    def test_traces_once_what_several_hooks_see(self, trace: FakeTrace, error: Exception) -> None:
        """Two hooks of one request give one trace, also of frozen and slotted exceptions."""
        capture(trace).take(error, FakeOccasion(7))
        capture(trace).take(error, FakeOccasion(7))
        assert trace.errors == [error]

    def test_traces_an_object_again_that_a_later_request_raises(self, trace: FakeTrace) -> None:
        """A module-level exception is a new error in each request."""
        kept = ValueError("the same object each time")
        for number in (1, 2, 3):
            capture(trace).take(raised(kept), FakeOccasion(number))
            capture(trace).take(kept, FakeOccasion(number))
        assert trace.errors == [kept] * 3

    def test_counts_once_what_finds_the_slot_taken(self, trace: FakeTrace) -> None:
        """The second hook neither traces nor counts what the first one counted."""
        trace.busy = True
        error = ValueError()
        capture(trace).take(error, FakeOccasion())
        trace.busy = False
        capture(trace).take(error, FakeOccasion())
        assert trace.errors == []
        assert suppressed.take("ValueError") == 1

    def test_knows_an_error_that_was_grouped_meanwhile(self, trace: FakeTrace) -> None:
        """A task group around a traced error is no new error; around another one it is."""
        error = ValueError()
        capture(trace).take(error, FakeOccasion())
        capture(trace).take(ExceptionGroup("", [error]), FakeOccasion())
        assert trace.errors == [error]
        both = ExceptionGroup("", [error, KeyError()])
        capture(trace).take(both, FakeOccasion())
        assert trace.errors == [error, both]

    def test_no_two_requests_have_the_same_number(self) -> None:
        """Also where one process serves ASGI and WSGI: an error raised in both is two errors."""
        scope: dict[str, Any] = {"type": "http"}
        environ: dict[str, Any] = {"PATH_INFO": "/"}
        first = asgi.Request(scope, None, lambda _: None).scope()  # type: ignore[arg-type]  # unused
        second = wsgi.Request(environ).scope()

        assert first != second
        assert wsgi.Request(environ).scope() == second

    def test_mark_keeps_nothing_alive(self) -> None:
        """The mark is plain numbers, so that no frame is pinned by it (trap 14)."""
        error = raised(ValueError())
        already_seen(error, 1)
        assert all(isinstance(part, (int, float)) for part in error.__dict__[MARK])
        assert not any(gc.is_tracked(part) for part in error.__dict__[MARK])

    def test_mark_survives_pickling(self) -> None:
        """An error that a worker process traced is not traced again where it arrives."""
        error = ValueError("boom")
        already_seen(error, 1)
        _, *rest = error.__dict__[MARK]
        error.__dict__[MARK] = (os.getpid() + 1, *rest)  # as another process would
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert already_seen(copy, 99)
        assert not already_seen(copy, 100)  # raised again by a later request

    def test_mark_of_the_parent_means_nothing_in_a_child(self) -> None:
        """What the parent traced before the fork is a new error in the child."""
        kept = ValueError("the same object each time")
        already_seen(kept, 1)
        child = os.fork()
        if child == 0:
            os._exit(10 if already_seen(kept, 1) else 20)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 20


class TestSuppressed:
    def test_next_trace_tells_how_many_were_counted(self, trace: FakeTrace) -> None:
        """Counted errors are told by the next trace of their kind, once."""
        hook = capture(trace)
        trace.busy = True
        for number in range(3):
            hook.take(KeyError(), FakeOccasion(number))
        hook.take(ValueError(), FakeOccasion())
        trace.busy = False
        for _ in range(2):
            hook.take(KeyError(), FakeOccasion())
        assert [found["bcd.suppressed"] for found in trace.attributes] == ["3", "0"]

    @pytest.mark.parametrize(
        "outcome", [TraceResult(error=StartError("no tracer")), TraceResult(dropped=True)]
    )
    def test_keeps_counting_when_no_snapshot_tells(
        self, trace: FakeTrace, outcome: TraceResult
    ) -> None:
        """A trace that failed or was dropped told nobody, so its count stays."""
        suppressed.add("KeyError", 5)
        trace.outcome = outcome
        capture(trace).take(KeyError(), FakeOccasion())
        assert suppressed.take("KeyError") == 5

    def test_a_kind_that_was_traced_gives_way(
        self, trace: FakeTrace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """To one that was only counted, as long as the slot has been free for less than 3 s."""
        hook = capture(trace)
        hook.take(KeyError(), FakeOccasion())
        monkeypatch.setattr(_capture, "is_open", lambda: False)
        hook.take(ValueError(), FakeOccasion())
        monkeypatch.undo()
        monkeypatch.setattr(turns, "_open_for", lambda: 1.0)
        assert hook.take(KeyError(), FakeOccasion()) == "counted"
        assert hook.take(ValueError(), FakeOccasion()) == "traced"
        assert hook.take(KeyError(), FakeOccasion()) == "traced"
        assert [found["bcd.suppressed"] for found in trace.attributes] == ["0", "1", "1"]

    def test_is_bounded(self) -> None:
        """Beyond the number of kinds the rest share one count, and nothing is lost."""
        counts = Suppressed(kinds=2)
        for kind in ("a", "b", "c", "d", "a"):
            counts.note(kind)
        assert (counts.take("a"), counts.take("c"), counts.take_others()) == (2, 0, 2)

    def test_is_told_further_at_once_and_then_each_second(self) -> None:
        """An error that comes alone is told now; in a storm, once a second or a thousand."""
        told: list[tuple[str, int]] = []
        now = [0.0]
        counts = Suppressed(tell=lambda *new: told.append(new), clock=lambda: now[0])
        for _ in range(3):
            counts.note("a")
        assert told == [("a", 1)]
        now[0] = 1.0
        counts.note("b")
        assert told[1:] == [("a", 2), ("b", 1)]
        for _ in range(1001):
            counts.note("a")
        assert told[3:] == [("a", 1001)]
        assert (counts.take("a"), counts.take("b")) == (1004, 1)

    def test_what_came_new_is_not_the_childs(self) -> None:
        """What was put down before a fork is told by the parent alone (trap 1)."""
        counts = Suppressed()
        for _ in range(5):
            counts.note("a")
        child = os.fork()
        if child == 0:
            os._exit(counts.take("a"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert counts.take("a") == 5

    def test_loses_nothing_between_threads(self) -> None:
        """Many note and one asks at the same time."""
        counts = Suppressed()

        def work() -> None:
            for _ in range(2000):
                counts.note("a")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        taken = 0
        while any(thread.is_alive() for thread in threads):
            taken += counts.take("a")
        for thread in threads:
            thread.join()
        assert taken + counts.take("a") == 8000

    def test_tells_about_kinds_without_a_place(self, trace: FakeTrace) -> None:
        """The shared count has an attribute of its own."""
        suppressed.add_others(4)
        capture(trace).take(KeyError(), FakeOccasion())
        assert trace.attributes[0]["bcd.suppressed.other"] == "4"

    def test_starts_anew_in_a_forked_child_even_when_locked(self) -> None:
        """The child neither tells the parent's count nor inherits its lock (trap 1)."""
        suppressed.add("KeyError", 5)
        with suppressed._lock:
            child = os.fork()
            if child == 0:
                os._exit(suppressed.take("KeyError"))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class TestAttributes:
    def test_names_error_and_place(self, trace: FakeTrace) -> None:
        """Type, message and the innermost frame are told in OpenTelemetry's names."""
        error = raised(Frozen(7))
        assert error.__traceback__ is not None
        capture(trace).take(error, FakeOccasion(found={"url.path": "/x"}))
        assert trace.attributes[0] == {
            "exception.type": f"{__name__}.Frozen",
            "exception.message": "7",
            "code.function.name": f"{__name__}.raised",
            "code.file.path": __file__,
            "code.line.number": str(error.__traceback__.tb_lineno),
            "url.path": "/x",
            "bcd.integration": "test",
            "bcd.suppressed": "0",
        }

    @pytest.mark.parametrize(
        ("text", "cleaned"),
        [
            ("a\x00\x1b[31mb\x7f\x85", "a[31mb"),
            ("two\r\n\tlines", "two lines"),
            ("\ud800 and \udcff", "\ufffd and \ufffd"),
            ("é", "é"),
            ("x" * 2000, "x" * 1024),
            ("€" * 2000, "€" * 341),
            ("", ""),
        ],
    )
    def test_cleans_values(self, text: str, cleaned: str) -> None:
        """No control character, no lone surrogate, at most 1 KiB of whole characters."""
        assert clean(text) == cleaned

    def test_bounds_their_number_and_takes_no_objects(self) -> None:
        """At most 64 attributes, of text and numbers; a name cannot end early."""
        assert len(clean_all({str(number): "" for number in range(100)})) == 64
        assert clean_all({"a": 1, "b": object(), 3: "c", "d:e": "f"}) == {"a": "1", "d_e": "f"}

    def test_survives_hostile_errors(self, trace: FakeTrace) -> None:
        """An error of 1 MB and one whose text cannot be had are traced all the same (trap 8)."""

        class Mute(Exception):  # noqa: N818 - it is
            def __str__(self) -> str:
                raise RuntimeError

        capture(trace).take(ValueError("x" * 1_000_000), FakeOccasion())
        capture(trace).take(Mute(), FakeOccasion())
        assert len(trace.attributes[0]["exception.message"]) == 1024
        assert "RuntimeError" in trace.attributes[1]["exception.message"]

    def test_does_without_what_a_request_cannot_tell(
        self, trace: FakeTrace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A request that cannot be described costs its attributes, not the trace."""

        class Broken(FakeOccasion):
            def attributes(self, _: BaseException) -> dict[str, str]:
                raise KeyError("path")

        capture(trace).take(ValueError(), Broken())
        assert trace.attributes[0]["exception.type"] == "ValueError"
        assert "a request could not be described: KeyError" in capsys.readouterr().err


class TestBeforeTrace:
    def test_edits(self, trace: FakeTrace) -> None:
        """What it returns is used, made safe like everything else."""

        def edit(error: BaseException, attributes: dict[str, str]) -> dict[str, str]:
            assert isinstance(error, ValueError)
            del attributes["exception.message"]
            return attributes | {"shop.tenant": "tea\x00"}

        capture(trace, before_trace=edit).take(ValueError("secret"), FakeOccasion())
        assert trace.attributes[0]["shop.tenant"] == "tea"
        assert "exception.message" not in trace.attributes[0]

    def test_drops(self, trace: FakeTrace) -> None:
        """None means no trace."""
        capture(trace, before_trace=lambda *_: None).take(ValueError(), FakeOccasion())
        assert trace.errors == []

    @pytest.mark.parametrize("answer", [KeyError("user"), True])
    def test_that_fails_edits_nothing(
        self, trace: FakeTrace, answer: object, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An error in it or a wrong answer is told, and the trace goes on unedited."""

        def edit(_: BaseException, attributes: dict[str, str]) -> Any:
            attributes.clear()
            if isinstance(answer, Exception):
                raise answer
            return answer

        capture(trace, before_trace=edit).take(ValueError("boom"), FakeOccasion())
        assert trace.attributes[0]["exception.message"] == "boom"
        assert "before_trace failed, nothing was edited" in capsys.readouterr().err


class TestGuard:
    def test_says_one_line_and_goes_on(
        self, trace: FakeTrace, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A failure of bcd is one line on stderr, not one per error."""
        trace.failure = RuntimeError("no\nluck")
        for number in range(3):
            capture(trace).take(ValueError(), FakeOccasion(number))
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("[bcd] ")
        assert line.endswith("test: an error could not be traced: RuntimeError: no luck")

    def test_speaks_again_after_a_while(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The window is over when its seconds are."""
        now = 0.0
        complain = Complaints(60, clock=lambda: now)
        for moment in (0.0, 59.9, 60.0):
            now = moment
            complain("something", ValueError(str(moment)))
        lines = capsys.readouterr().err.splitlines()
        assert [line.rsplit(" ", 1)[1] for line in lines] == ["0.0", "60.0"]

    def test_needs_no_stderr(self, trace: FakeTrace, monkeypatch: pytest.MonkeyPatch) -> None:
        """A daemon without stderr is no reason to fail."""
        monkeypatch.setattr(sys, "stderr", None)
        trace.failure = RuntimeError()
        capture(trace).take(ValueError(), FakeOccasion())

    def test_never_logs(self, trace: FakeTrace, caplog: pytest.LogCaptureFixture) -> None:
        """Logging may lead back into a hook, so nothing goes there."""
        caplog.set_level(logging.DEBUG)
        trace.failure = RuntimeError()
        capture(trace).take(ValueError(), FakeOccasion())
        assert caplog.records == []

    def test_holds_back_no_exit(self, trace: FakeTrace) -> None:
        """A server that ends its worker while a trace runs is obeyed (trap 3)."""

        def end() -> None:
            raise SystemExit(1)

        trace.during = end
        with pytest.raises(SystemExit):
            capture(trace).take(ValueError(), FakeOccasion())


@pytest.fixture
def live() -> FakeLiveTracer:
    """A tracer that somebody has to wait for."""
    return FakeLiveTracer()


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends the trace that waits for it; set at the latest when the test is over."""
    event = threading.Event()
    yield event
    event.set()


class TestInLoop:
    def test_runs_a_memory_tracer_at_once(self, trace: FakeTrace) -> None:
        """A tracer with a frozen copy needs no thread."""
        asyncio.run(capture(trace).take_in_loop(ValueError(), FakeOccasion()))
        assert trace.calls[0]["thread"] == threading.get_native_id()
        assert trace.calls[0]["detach"] is True

    def test_does_not_block_the_loop(
        self, trace: FakeTrace, live: FakeLiveTracer, release: threading.Event
    ) -> None:
        """Other tasks run while the tracer does, in a thread of its own (trap 9)."""
        trace.during = lambda: assert_true(release.wait(30))

        async def serve() -> None:
            hook = capture(trace, cast("Tracer", live))
            capturing = asyncio.create_task(hook.take_in_loop(ValueError(), FakeOccasion()))
            await asyncio.sleep(0)
            release.set()  # only a loop that runs gets here
            await capturing
            assert getattr(asyncio.get_running_loop(), "_default_executor", None) is None

        asyncio.run(serve())
        assert len(trace.errors) == 1
        assert trace.calls[0]["thread"] != threading.get_native_id()

    def test_names_the_loops_thread_as_faulted(
        self, trace: FakeTrace, live: FakeLiveTracer
    ) -> None:
        """The thread of the error is in trouble, not the one that runs the trace."""
        hook = capture(trace, cast("Tracer", live))
        asyncio.run(hook.take_in_loop(ValueError(), FakeOccasion()))
        assert trace.calls[0]["faulted"] == threading.get_native_id()

    def test_returns_at_once_when_cancelled(
        self, trace: FakeTrace, live: FakeLiveTracer, release: threading.Event
    ) -> None:
        """Cancellation ends the waiting, so that the program's own error goes on (trap 9)."""
        entered = threading.Event()

        def during() -> None:
            entered.set()
            assert_true(release.wait(30))

        trace.during = during

        async def handle() -> None:
            try:
                raise ValueError("the program's own")  # noqa: TRY301 - that is the point
            except ValueError as error:
                await capture(trace, cast("Tracer", live)).take_in_loop(error, FakeOccasion())
                raise

        async def serve() -> None:
            handling = asyncio.create_task(handle())
            await asyncio.sleep(0)
            await asyncio.to_thread(entered.wait, 30)
            handling.cancel()
            with pytest.raises(ValueError, match="the program's own"):
                await handling
            release.set()

        asyncio.run(serve())

    def test_counts_what_comes_while_a_thread_waits(
        self, trace: FakeTrace, live: FakeLiveTracer, release: threading.Event
    ) -> None:
        """A storm of errors starts one thread, the others are counted."""
        trace.during = lambda: assert_true(release.wait(30))

        async def serve() -> None:
            hook = capture(trace, cast("Tracer", live))
            first = asyncio.create_task(hook.take_in_loop(KeyError(), FakeOccasion(1)))
            await asyncio.sleep(0)
            await hook.take_in_loop(KeyError(), FakeOccasion(2))
            release.set()
            await first
            await hook.take_in_loop(KeyError(), FakeOccasion(3))

        asyncio.run(serve())
        assert [found["bcd.suppressed"] for found in trace.attributes] == ["1", "0"]

    def test_guards_the_thread(
        self, trace: FakeTrace, live: FakeLiveTracer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What fails in the thread is told like everything else."""
        trace.failure = RuntimeError("in the thread")
        hook = capture(trace, cast("Tracer", live))
        asyncio.run(hook.take_in_loop(ValueError(), FakeOccasion()))
        assert "RuntimeError: in the thread" in capsys.readouterr().err


def assert_true(value: object) -> None:
    """An assertion where only an expression fits."""
    assert value

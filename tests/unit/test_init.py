"""``bcd.init``: one line sets everything up, a second one replaces it all."""

from __future__ import annotations

import asyncio
import sys
import threading
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

import bcd
from bcd import startup
from bcd.config import current_config
from bcd.errors import ConfigError
from bcd.integrations import hooks
from bcd.integrations._capture import Capture
from bcd.settings import current_settings
from bcd.settings.values import _TRACER_METHODS
from bcd.tracers import backtrace, default_tracer, set_default_tracer
from bcd.tracers.backtrace import BTTracer
from bcd.tracers.python import PythonTracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


NO_SIGNALS = SimpleNamespace(**dict.fromkeys(_TRACER_METHODS, lambda *_, **__: None))
"""A tracer that knows nothing of signals."""


def standing() -> tuple[object, ...]:
    """What stands where hooks are put."""
    loop = asyncio.BaseEventLoop
    return (
        sys.excepthook,
        threading.excepthook,
        loop.call_exception_handler,
        sys.unraisablehook,
    )


def everything() -> tuple[object, ...]:
    """All that ``init`` may change."""
    return (current_settings(), current_config(), default_tracer(), *standing())


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in which nothing was said yet; what hooks stood before stand afterwards."""
    before = standing()
    monkeypatch.setattr("bcd.settings.current._current", {})
    monkeypatch.setattr("bcd.config._current", {})
    monkeypatch.setattr("bcd.tracers._default", {})
    monkeypatch.setattr(backtrace, "PROGRAM", "/nowhere/ptrace")
    yield
    installed, startup._installed = startup._installed, startup._Installed()
    installed._remove(installed._hooks, installed._integrations, installed._registered)
    monkeypatch.undo()
    assert standing() == before


def test_defaults() -> None:
    """Three hooks, and the tracer that comes with bcd."""
    before = standing()
    bcd.init()
    changed = [one is not other for one, other in zip(standing(), before, strict=True)]
    assert changed == [True, True, True, False]
    assert isinstance(default_tracer(), PythonTracer)


def test_no_hooks() -> None:
    """An empty list is one."""
    before = standing()
    bcd.init(hooks=())
    assert standing() == before


def test_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole one goes over all its variables."""
    monkeypatch.setenv("BCD_RATE_LIMIT", "9")
    monkeypatch.setenv("BCD_RESEND_SIGNAL", "1")
    bcd.init()
    assert current_config() == bcd.GlobalConfig(rate_limit=9, resend_signal=True)
    bcd.init(config=bcd.GlobalConfig(rate_limit=1))
    assert current_config() == bcd.GlobalConfig(rate_limit=1)


def test_twice_replaces_everything(tmp_path: Path) -> None:
    """Nothing of the first call is left."""
    before = standing()
    bcd.init(
        config=bcd.GlobalConfig(rate_limit=1),
        hooks=["unraisable"],
        release="1",
        attributes={"a": "1"},
        ignore=[KeyError],
        folder=tmp_path,
    )
    bcd.init(hooks=["excepthook"], attributes={"b": "2"})
    settings = current_settings()
    assert settings.trace_attributes() == {"b": "2"}
    assert settings.ignore == ()
    assert current_config() == bcd.GlobalConfig()
    assert cast("PythonTracer", default_tracer()).folder != str(tmp_path)
    changed = [one is not other for one, other in zip(standing(), before, strict=True)]
    assert changed == [True, False, False, False]


def test_hooks_do_not_pile_up() -> None:
    """However often it is called, one function stands over what stood before."""
    bcd.init()
    once = standing()
    for _ in range(10):
        bcd.init()
    assert standing() == once


@pytest.mark.parametrize(
    "wrong",
    [
        {"realease": "1"},
        {"timeout": "x"},
        {"config": 0},
        {"config": {"rate_limit": 1}},
        {"hooks": ["threads"]},
        {"tracer": PythonTracer(), "redact": ["iban"]},
        {"tracer": "perl"},
        {"tracer": NO_SIGNALS, "hooks": ["signals"]},
    ],
)
def test_an_error_changes_nothing(wrong: dict[str, Any]) -> None:
    """What an earlier call said still holds, and the new call's good settings do not."""
    bcd.init(release="1", hooks=["excepthook"], config=bcd.GlobalConfig(rate_limit=5))
    before = everything()
    with pytest.raises(ConfigError):
        bcd.init(**{"release": "2", "hooks": (), "service": "x", **wrong})
    assert everything() == before


@pytest.mark.parametrize(
    ("name", "text"),
    [("TIMEOUT", "x"), ("RATE_LIMIT", "nan"), ("BEFORE_TRACE", "no_such_module:scrub")],
)
def test_a_bad_variable_is_an_error_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """Who calls ``init`` is told, at the start of the program."""
    bcd.init(release="1")
    before = everything()
    monkeypatch.setenv(f"BCD_{name}", text)
    with pytest.raises(ConfigError, match=f"^BCD_{name} is "):
        bcd.init(release="2")
    assert everything() == before


def test_a_misspelled_variable_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line; it might belong to somebody else, so it is no error."""
    monkeypatch.setenv("BCD_RELAESE", "1")
    bcd.init()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("BCD_RELAESE is no variable of bcd, but BCD_RELEASE is")


@pytest.fixture
def busy_switching() -> Iterator[None]:
    """Threads that take turns as often as Python can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_many_threads_at_once(busy_switching: None) -> None:  # noqa: ARG001 - a state
    """The settings are those of one call, with its hooks, and no others are left."""
    before = standing()
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait()
        for _ in range(20):
            hook = "excepthook" if number % 2 else "unraisable"
            bcd.init(release=str(number), hooks=[hook], tracer=tracers[number])

    tracers = [PythonTracer() for _ in range(8)]
    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = int(current_settings().release or "")
    assert default_tracer() is tracers[last]
    changed = [one is not other for one, other in zip(standing(), before, strict=True)]
    assert changed == [last % 2 == 1, False, False, last % 2 == 0]


class TestStart:
    """What ``bcd run`` does in a program that does not ask for it."""

    def test_is_as_the_environment_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tracer, hooks, settings and configuration."""
        monkeypatch.setenv("BCD_RELEASE", "1")
        monkeypatch.setenv("BCD_RATE_LIMIT", "9")
        monkeypatch.setenv("BCD_TRACER", "backtrace")
        before = standing()
        startup.start()
        assert standing() != before
        assert current_settings().release == "1"
        assert current_config().rate_limit == 9
        assert isinstance(default_tracer(), BTTracer)

    def test_takes_what_can_be_used(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The rest is told."""
        monkeypatch.setenv("BCD_TIMEOUT", "soon")
        monkeypatch.setenv("BCD_RATE_LIMIT", "often")
        startup.start()
        assert [line.split()[3] for line in capsys.readouterr().err.splitlines()] == [
            "BCD_TIMEOUT",
            "BCD_RATE_LIMIT",
        ]
        assert current_config() == bcd.GlobalConfig()

    def test_looks_up_no_function_of_the_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its modules cannot be found yet."""
        monkeypatch.setenv("BCD_BEFORE_TRACE", "no_such_module:scrub")
        startup.start()
        assert str(current_settings().before_trace) == "no_such_module:scrub"

    def test_without_signals_that_cannot_be_had(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """All else is there."""
        monkeypatch.setenv("BCD_HOOKS", "signals,excepthook")
        set_default_tracer(cast("Any", NO_SIGNALS))
        before = sys.excepthook
        startup.start()
        assert sys.excepthook is not before
        assert "they are not traced" in capsys.readouterr().err

    def test_init_goes_over_it(self) -> None:
        """And leaves nothing of it."""
        startup.start()
        once = standing()
        bcd.init(service="x")
        assert standing() == once
        assert current_settings().service == "x"


class TestTracer:
    """Which one is the default."""

    def test_is_made_of_the_settings(self, tmp_path: Path) -> None:
        """All that concern it."""
        bcd.init(
            folder=tmp_path,
            redact=["iban"],
            reveal=["session"],
            limits={"frames": 9},
            timeout=7,
            python="/usr/bin/python3",
        )
        made = default_tracer()
        assert isinstance(made, PythonTracer)
        assert made.folder == str(tmp_path)
        assert made.default_trace_options().timeout == 7
        assert vars(made)["_python"] == "/usr/bin/python3"
        assert vars(made)["_settings"] == {
            "limits": {"frames": 9},
            "redact": ["iban"],
            "reveal": ["session"],
        }

    def test_is_the_one_that_was_given(self) -> None:
        """As it is, whatever variables say about one that bcd makes."""
        mine = BTTracer()
        bcd.init(tracer=mine)
        assert default_tracer() is mine

    def test_keeps_its_own_timeout_for_zero(self) -> None:
        """0 means the tracer's default (rule 14)."""
        bcd.init(timeout=0)
        assert default_tracer().default_trace_options().timeout == 30

    def test_has_a_name(self) -> None:
        """Backtrace's, where that is asked for, also with a time-out."""
        bcd.init(tracer="backtrace", timeout=9)
        assert isinstance(default_tracer(), BTTracer)
        assert default_tracer().default_trace_options().timeout == 9

    def test_is_a_path(self, tmp_path: Path) -> None:
        """Of a program that takes the options of Backtrace's."""
        bcd.init(tracer=f"{tmp_path}/ptrace")
        assert str(default_tracer()) == f"BTTracer {tmp_path}/ptrace"

    def test_is_backtraces_where_it_is_installed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """And can be run."""
        program = tmp_path / "ptrace"
        program.touch()
        monkeypatch.setattr(backtrace, "PROGRAM", str(program))
        assert isinstance(default_tracer(), PythonTracer)
        program.chmod(0o700)
        set_default_tracer(None)
        assert isinstance(default_tracer(), BTTracer)

    @pytest.mark.parametrize("name", ["redact", "reveal"])
    def test_is_bcds_own_where_only_that_obeys(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A name that is to be kept out does not get out because of what is installed."""
        program = tmp_path / "ptrace"
        program.touch(0o700)
        monkeypatch.setattr(backtrace, "PROGRAM", str(program))
        monkeypatch.setenv(f"BCD_{name.upper()}", "iban")
        bcd.init()
        assert isinstance(default_tracer(), PythonTracer)

    def test_can_be_replaced_and_restored(self) -> None:
        """``set_default_tracer(None)`` is back at the settings."""
        bcd.init(limits={"frames": 9})
        set_default_tracer(BTTracer())
        set_default_tracer(None)
        assert vars(default_tracer())["_settings"]["limits"] == {"frames": 9}

    def test_without_init_comes_from_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What an operator sets holds in a program that says nothing."""
        monkeypatch.setenv("BCD_TRACER", "backtrace")
        assert isinstance(default_tracer(), BTTracer)

    def test_that_cannot_be_made(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without ``init``: a line on stderr, and the tracer that comes with bcd."""

        def refuse(*_: object, **__: object) -> None:
            raise ConfigError("no such tool")

        monkeypatch.setattr("bcd.tracers.gcore.GcoreTracer", refuse)
        monkeypatch.setenv("BCD_TRACER", "gcore")
        assert isinstance(default_tracer(), PythonTracer)
        assert "no such tool; PythonTracer is used instead" in capsys.readouterr().err


def only_the_type(_: BaseException, attributes: dict[str, str]) -> dict[str, str]:
    """A ``before_trace`` that has a name."""
    return {"exception.type": attributes["exception.type"]}


class FakeOccasion:
    """Nothing is known."""

    def scope(self) -> int:
        """A number of its own."""
        return id(self)

    def client_gone(self) -> bool:
        """There is none."""
        return False

    def attributes(self, _: BaseException) -> dict[str, str]:
        """None of its own."""
        return {}


@pytest.fixture
def attributes_of() -> Callable[[Capture, BaseException], Mapping[str, str] | None]:
    """Takes an error, and returns the attributes with which it would be traced, if it would."""

    def take(capture: Capture, error: BaseException) -> Mapping[str, str] | None:
        kept: list[Mapping[str, str] | None] = []

        def run(
            *_: object, attributes: Callable[[], Mapping[str, str] | None], **__: object
        ) -> Any:
            kept.append(attributes())
            return bcd.TraceResult()

        capture._trace = cast("Any", run)
        capture.take(error, FakeOccasion())
        return kept[0] if kept else None

    return take


class TestForAllHooks:
    """What ``init`` says holds in addition to each hook's own."""

    def test_ignore(self, attributes_of: Callable[..., Any]) -> None:
        """Expected is what either says, also for hooks that were made before."""
        capture = Capture("test", ignore=[KeyError])
        bcd.init(ignore=["builtins.ZeroDivisionError", ZeroDivisionError])
        assert attributes_of(capture, KeyError()) is None
        assert attributes_of(capture, ZeroDivisionError()) is None
        assert attributes_of(capture, ExceptionGroup("", [KeyError(), ZeroDivisionError()])) is None
        assert attributes_of(capture, ValueError()) is not None
        bcd.init()
        assert attributes_of(capture, KeyError()) is None
        assert attributes_of(capture, ZeroDivisionError()) is not None

    def test_before_trace(self, attributes_of: Callable[..., Any]) -> None:
        """The hook's own comes first, the process's gets what that returned."""
        capture = Capture("test", before_trace=lambda _, found: {**found, "order": "own"})
        bcd.init(before_trace=lambda _, found: {"order": found["order"] + ", all"})
        assert attributes_of(capture, ValueError()) == {"order": "own, all"}

    @pytest.mark.parametrize("own", [lambda *_: None, None])
    def test_either_may_drop(self, own: Any, attributes_of: Callable[..., Any]) -> None:
        """After the hook's own did the other one is not even asked."""
        asked = []
        bcd.init(before_trace=lambda *all_: asked.append(all_))
        assert attributes_of(Capture("test", before_trace=own), ValueError()) is None
        assert len(asked) == (own is None)

    def test_one_that_fails_is_as_if_it_were_not_there(
        self, attributes_of: Callable[..., Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A line on stderr says so."""
        bcd.init(before_trace=lambda _, found: {"x": found["no such"]})
        assert "x" not in attributes_of(Capture("test"), ValueError())
        assert "before_trace failed" in capsys.readouterr().err

    def test_a_named_function(
        self, attributes_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Out of the environment."""
        monkeypatch.setenv("BCD_BEFORE_TRACE", f"{__name__}:only_the_type")
        monkeypatch.setitem(sys.modules, __name__, sys.modules[only_the_type.__module__])
        bcd.init()
        assert attributes_of(Capture("test"), ValueError()) == {"exception.type": "ValueError"}


class TestInstalling:
    """``hooks.install`` without ``init``."""

    def test_uninstall_restores(self) -> None:
        """And does nothing the second time."""
        before = standing()
        handle = hooks.install(points=hooks.POINTS)
        assert all(one is not other for one, other in zip(standing(), before, strict=True))
        handle.uninstall()
        handle.uninstall()
        assert standing() == before

    def test_uninstall_leaves_what_others_put_over_it(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The hook only passes on from then."""
        called: list[str] = []
        monkeypatch.setattr(sys, "excepthook", lambda *_: called.append("before"))
        handle = hooks.install(points=["excepthook"])
        ours = sys.excepthook

        def theirs(*arguments: Any) -> None:
            called.append("over")
            ours(*arguments)

        monkeypatch.setattr(sys, "excepthook", theirs)
        handle.uninstall()
        assert sys.excepthook is theirs
        sys.excepthook(ValueError, ValueError(), None)
        assert called == ["over", "before"]

    def test_the_newest_alone_traces(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Until it is uninstalled; then the one before does."""
        monkeypatch.setattr(sys, "excepthook", lambda *_: None)
        taken: list[object] = []
        monkeypatch.setattr(Capture, "take", lambda self, *_, **__: taken.append(self))
        first, second = hooks.install(), hooks.install()
        sys.excepthook(ValueError, ValueError(), None)
        second.uninstall()
        sys.excepthook(ValueError, ValueError(), None)
        first.uninstall()
        sys.excepthook(ValueError, ValueError(), None)
        assert taken == [second._capture, first._capture]

    def test_again_over_a_hook_of_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two functions of bcd stand in one chain then, and the upper one traces."""
        monkeypatch.setattr(sys, "excepthook", lambda *_: None)
        taken: list[object] = []
        monkeypatch.setattr(Capture, "take", lambda self, *_, **__: taken.append(self))
        lower = hooks.install(points=["excepthook"])
        ours = sys.excepthook
        monkeypatch.setattr(sys, "excepthook", partial(ours))
        upper = hooks.install(points=["excepthook"])
        sys.excepthook(ValueError, ValueError(), None)
        upper.uninstall()
        lower.uninstall()
        assert taken == [upper._capture]

    def test_a_loop_and_its_class(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The loop's own hook goes over that of its class, and is taken back alone."""
        taken: list[object] = []
        monkeypatch.setattr(Capture, "take", lambda self, *_, **__: taken.append(self))
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda *_: None)
        of_class, of_loop = hooks.install(points=["asyncio"]), hooks.install_loop(loop)
        again = hooks.install_loop(loop)
        for handle in (again, of_loop, of_class):
            loop.call_exception_handler({"exception": ValueError()})
            handle.uninstall()
        loop.call_exception_handler({"exception": ValueError()})
        loop.close()
        assert taken == [again._capture, of_loop._capture, of_class._capture]

    def test_ctrl_c_ends_the_wait(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What stood before is called all the same, which prints the error."""
        printed: list[object] = []
        monkeypatch.setattr(sys, "excepthook", lambda *arguments: printed.append(arguments[1]))

        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Capture, "take", interrupted)
        handle = hooks.install(points=["excepthook"])
        error = ValueError()
        sys.excepthook(ValueError, error, None)
        handle.uninstall()
        assert printed == [error]

    @pytest.mark.parametrize("wrong", [{"points": ["signals"]}, {"ignore": [3]}])
    def test_wrong_arguments_install_nothing(self, wrong: dict[str, Any]) -> None:
        """The error names what is accepted."""
        before = standing()
        with pytest.raises(ConfigError, match="accepted are"):
            hooks.install(**wrong)
        assert standing() == before

"""Tracing on signals (rules 27 to 31 of the engine's design), in this very process.

What ends a process, or needs one of its own, is in ``tests/process/test_signals.py``.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
import time
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import bcd
from bcd import _greenlets, _linux
from bcd.config import GlobalConfig, current_config, update_config
from bcd.engine import TraceResult, flush, is_open
from bcd.errors import ConfigError
from bcd.signals import register, registration, unregister
from bcd.signals.channel import SignalChannel
from bcd.signals.handler import handlers, registrations
from bcd.signals.worker import later
from bcd.tracer import Command, LogPriority, Memory, TraceOptions
from bcd.tracers._options import OptionList
from tests.leftovers import inventory, nothing_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tracers run on Linux")

FOREVER = 30.0  # seconds that no test reaches
USR1, USR2, INT = signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT
SIX = (signal.SIGABRT, signal.SIGFPE, signal.SIGSEGV, signal.SIGILL, signal.SIGBUS, INT)


class FakeTracer(OptionList):
    """A tracer for signals that keeps the options of each trace and runs a script."""

    def __init__(self, *sigs: int, script: str = "exit 0", name: str = "FakeTracer") -> None:
        super().__init__()
        self.script, self.name = script, name
        self.traced: list[list[str]] = []
        self.lines: list[tuple[LogPriority, str]] = []
        self.started = threading.Semaphore(0)
        self._sigs = list(sigs)
        self._chan: Any = None

    def __str__(self) -> str:
        return self.name

    def default_trace_options(self) -> TraceOptions:
        """As the tracers of bcd have them."""
        return TraceOptions(faulted=True, err_classification=True, timeout=FOREVER)

    def logf(self, level: LogPriority, format: str, *args: object) -> None:  # noqa: A002 - Go's word
        """Keep the message."""
        self.lines.append((level, format % args))

    def set_log_level(self, level: LogPriority) -> None:
        """Nothing is filtered here."""

    def finalize(self, options: list[str]) -> Command:
        """Run the script."""
        self.traced.append(options)
        self.started.release()
        return Command(argv=["/bin/sh", "-c", self.script])

    def set_sigset(self, *sigs: int) -> None:
        """Replace the set."""
        self._sigs = list(sigs)

    def sigset(self) -> list[int]:
        """Copy the set."""
        return list(self._sigs)

    def set_sigchan(self, chan: Any) -> None:
        """Keep the channel."""
        self._chan = chan

    def sigchan(self) -> Any:
        """Give the channel."""
        return self._chan


class FakeMemoryTracer(FakeTracer):
    """The same for frozen memory."""

    def finalize_memory(
        self, options: list[str], memory: Memory, error: BaseException | None, started: float
    ) -> Command:
        """Run the script, whose input is the request."""
        assert memory.descriptor >= 0
        assert error is not None
        assert started > 0
        made = self.finalize(options)
        return Command(argv=made.argv, stdin=b"{}\n")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    config = current_config()
    standing = {number: signal.getsignal(number) for number in (USR1, USR2, INT)}
    signal.signal(INT, signal.default_int_handler)  # ignored in the background of a script
    update_config(GlobalConfig(rate_limit=0))
    yield
    for each in list(registrations.values()):
        unregister(each.tracer)
    settle()
    assert not handlers
    for number, handler in standing.items():
        signal.signal(number, handler)
    assert flush(FOREVER)
    update_config(config)


@pytest.fixture
def _faulthandler() -> None:
    """Let it handle faults, as pytest does from the start; an earlier test may have ended that."""
    if not _linux.has_handler(signal.SIGSEGV):
        faulthandler.disable()
        faulthandler.enable(2)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A FIFO: a tracer with the script ``cat <it>`` runs until ``open_gate``."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def open_gate(gate: Path) -> None:
    """Let the tracers run from now on, the one that waits and all later ones."""
    keeping = os.open(gate, os.O_RDWR)
    gate.unlink()
    gate.touch()
    os.close(keeping)


def send(number: int) -> None:
    """Send this process a signal; Python has handled it when this returns."""
    os.kill(os.getpid(), number)


def settle() -> None:
    """Wait until all signals so far are traced."""
    done = threading.Event()
    assert later(done.set)
    assert done.wait(FOREVER)


def errors_of(tracer: FakeTracer) -> list[str]:
    """The texts of the errors that were traced, in order."""
    return [
        option.removeprefix("error:")
        for options in tracer.traced
        for option in options
        if option.startswith("error:")
    ]


class TestTrace:
    def test_names_the_signal_and_the_main_thread(self) -> None:
        """Its name in lower case, its classifier, and who is faulted (rule 27)."""
        tracer = FakeTracer(INT)
        register(tracer)
        send(INT)
        settle()
        assert tracer.traced == [
            [
                "--fault-thread", str(threading.main_thread().native_id),
                "--kv", "error:interrupt",
                "--classifier", "bcd.SignalError",
            ]
        ]  # fmt: skip

    def test_the_program_goes_on(self, gate: Path) -> None:
        """The handler returns while the tracer runs, and SIGINT interrupts nothing (rule 28)."""
        tracer = FakeTracer(INT, script=f"cat {gate}")
        register(tracer)
        send(INT)
        assert tracer.started.acquire(timeout=FOREVER)
        assert not is_open()
        open_gate(gate)

    @pytest.mark.parametrize(("sigs", "traces"), [(SIX, 7), ((INT,), 2)])
    def test_what_does_not_fit_is_dropped(
        self, gate: Path, monkeypatch: pytest.MonkeyPatch, sigs: tuple[int, ...], traces: int
    ) -> None:
        """Of 10 during one trace as many are traced as the set has signals (rule 28)."""
        monkeypatch.setattr(_linux, "has_handler", lambda _: True)  # pytest's; SIGINT will do
        tracer = FakeTracer(*sigs, script=f"cat {gate}")
        register(tracer)
        send(INT)
        assert tracer.started.acquire(timeout=FOREVER)
        for _ in range(10):
            send(INT)
        assert tracer.sigchan().full()
        open_gate(gate)
        settle()
        assert errors_of(tracer) == ["interrupt"] * traces

    def test_a_tracer_that_fails_does_not_end_it(self) -> None:
        """Neither an error nor ``sys.exit`` out of a tracer costs the next signal its trace."""
        tracer = FakeTracer(USR1)
        good, bad = tracer.finalize, partial(sys.exit, 3)
        register(tracer)
        tracer.finalize = bad  # type: ignore[method-assign] # as a broken tracer has it
        send(USR1)
        settle()
        tracer.finalize = good  # type: ignore[method-assign]
        send(USR1)
        settle()
        assert len(tracer.traced) == 1

    def test_a_signal_without_words(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What the C library has no words for is traced by its number."""
        tracer = FakeTracer(USR1)
        register(tracer)
        monkeypatch.setattr(signal, "strsignal", lambda _: None)
        send(USR1)
        settle()
        assert errors_of(tracer) == [f"signal {USR1:d}"]

    def test_leaves_no_thread(self) -> None:
        """There is no thread before the first signal and none after the last one."""
        tracer = FakeTracer(USR1)
        before = inventory()
        register(tracer)
        assert not inventory().beside(before).threads
        with nothing_left():
            send(USR1)
            settle()

    def test_threads_run_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no thread can be started the signal is traced with the next one."""
        tracer = FakeTracer(USR1, USR2)
        register(tracer)
        with monkeypatch.context() as patch:
            patch.setattr(_greenlets, "start_new_thread", _no_thread)
            send(USR1)
        assert tracer.traced == []
        send(USR2)
        settle()
        assert errors_of(tracer) == ["user defined signal 1", "user defined signal 2"]


def _no_thread(*_: object) -> None:
    raise RuntimeError("can't start new thread")


class TestChannel:
    def test_is_a_queue_that_can_be_looked_at(self, gate: Path) -> None:
        """Its room is the size of the set, and it holds what waits."""
        tracer = FakeTracer(USR1, USR2, script=f"cat {gate}")
        register(tracer)
        channel = tracer.sigchan()
        assert isinstance(channel, queue.Queue)
        assert (channel.maxsize, channel.qsize(), channel.empty()) == (2, 0, True)
        send(USR1)
        assert tracer.started.acquire(timeout=FOREVER)
        send(USR2)
        assert (channel.qsize(), channel.empty(), channel.full()) == (1, False, False)
        assert channel.get() == USR2
        open_gate(gate)
        settle()
        assert errors_of(tracer) == ["user defined signal 1"], "the program took the other one"

    def test_full_and_empty(self) -> None:
        """It raises as any queue does, and never waits for room."""
        channel = SignalChannel(1)
        channel.put(2)
        with pytest.raises(queue.Full):
            channel.put(3)
        assert channel.get(timeout=FOREVER) == 2
        with pytest.raises(queue.Empty):
            channel.get_nowait()
        channel.put_nowait(4)

    def test_a_signal_while_its_lock_is_held(self) -> None:
        """The handler waits for no lock that the code which it interrupts may hold."""
        tracer = FakeTracer(USR1)
        register(tracer)
        with tracer.sigchan().mutex:
            send(USR1)
        settle()
        assert len(tracer.traced) == 1

    def test_storm_of_nested_signals(self) -> None:
        """However handlers interrupt each other and the queue's user, no room is lost."""
        channel = SignalChannel(3)

        def put(number: int, _: object) -> None:
            try:
                channel.put_nowait(number)
            except queue.Full:
                channel.get_nowait()

        signal.signal(USR1, put)
        signal.signal(USR2, put)
        sender = threading.Thread(target=lambda: [*map(send, [USR1, USR2] * 5000)])
        sender.start()
        while sender.is_alive():
            assert channel.qsize() <= 3
            channel.full()
        sender.join()
        while not channel.empty():
            channel.get_nowait()
        for number in (1, 2, 3):
            channel.put_nowait(number)
        assert channel.full()


class TestRegister:
    def test_empty_set(self) -> None:
        """It is logged, and the earlier registration stays (rule 30)."""
        tracer = FakeTracer(USR1)
        register(tracer)
        channel = tracer.sigchan()
        tracer.set_sigset()
        register(tracer)
        send(USR1)
        settle()
        said = "Failed to register signal handler: empty sigset"
        assert tracer.lines == [(LogPriority.ERROR, said)]
        assert len(tracer.traced) == 1
        assert tracer.sigchan() is channel

    def test_twice_replaces(self) -> None:
        """One trace for each signal, and the signals are those of the new set (rule 30)."""
        before = signal.getsignal(USR1)
        tracer = FakeTracer(USR1, USR2)
        register(tracer)
        tracer.set_sigset(USR2)
        register(tracer)
        assert signal.getsignal(USR1) is before
        send(USR2)
        settle()
        assert errors_of(tracer) == ["user defined signal 2"]
        assert tracer.sigchan().maxsize == 1

    def test_two_tracers(self) -> None:
        """Each of them traces, in the order of registration (rule 30)."""
        order: list[str] = []
        for name in ("first", "second"):
            tracer = FakeTracer(USR1, name=name)
            tracer.finalize = partial(_noting, order, name)  # type: ignore[method-assign]
            register(tracer)
        send(USR1)
        settle()
        assert order == ["first", "second"]

    def test_outside_the_main_thread(self) -> None:
        """It is an error that says what to do, and nothing was changed (rule 30)."""
        tracer = FakeTracer(USR1)
        caught: list[BaseException] = []

        def elsewhere() -> None:
            try:
                register(tracer)
            except ConfigError as error:
                caught.append(error)

        before = signal.getsignal(USR1)
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        assert "main thread" in str(caught[0])
        assert signal.getsignal(USR1) is before
        assert tracer.sigchan() is None

    @pytest.mark.parametrize(
        ("number", "named"),
        [
            (signal.SIGKILL, "SIGKILL"),
            (signal.SIGSTOP, "SIGSTOP"),
            (0, "0"),
            (4711, "4711"),
            (32, "32"),
            ("SIGUSR1", "'SIGUSR1'"),
        ],
    )
    def test_what_is_no_signal_to_catch(self, number: Any, named: str) -> None:
        """The error names it, and nothing was changed."""
        before = signal.getsignal(USR1)
        tracer = FakeTracer(USR1, number, USR2)
        with pytest.raises(ConfigError, match=named):
            register(tracer)
        assert signal.getsignal(USR1) is before
        assert tracer.sigchan() is None
        assert not registrations

    @pytest.mark.usefixtures("_faulthandler")
    def test_a_handler_in_c_stays(self) -> None:
        """What ``faulthandler`` does for a signal is left to it, and said."""
        tracer = FakeTracer(signal.SIGSEGV, USR1)
        before = signal.getsignal(signal.SIGSEGV)
        register(tracer)
        assert signal.getsignal(signal.SIGSEGV) is before
        level, said = tracer.lines[0]
        assert level == LogPriority.WARNING
        assert "11" in said
        send(USR1)
        settle()
        assert len(tracer.traced) == 1

    def test_without_the_c_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A fault that could not be told from a signal is left alone."""
        monkeypatch.setattr(_linux, "has_handler", lambda _: False)
        monkeypatch.setattr(_linux, "reset_when_caught", lambda _: False)
        before = signal.getsignal(signal.SIGSEGV)
        register(FakeTracer(signal.SIGSEGV))
        assert signal.getsignal(signal.SIGSEGV) is before


def _noting(order: list[str], name: str, _: list[str], path: str = "/bin/true") -> Command:
    order.append(name)
    return Command(argv=[path])


class TestUnregister:
    @pytest.mark.parametrize("before", [signal.SIG_IGN, signal.default_int_handler, print], ids=str)
    def test_restores(self, before: Any) -> None:
        """The handler that stood before stands again (rule 30)."""
        signal.signal(USR1, before)
        tracer = FakeTracer(USR1)
        register(tracer)
        register(tracer)
        unregister(tracer)
        assert signal.getsignal(USR1) is before

    def test_leaves_a_later_handler(self) -> None:
        """What somebody set after us is not ours to remove (rule 30)."""
        tracer = FakeTracer(USR1)
        register(tracer)
        signal.signal(USR1, signal.SIG_IGN)
        unregister(tracer)
        assert signal.getsignal(USR1) == signal.SIG_IGN

    def test_what_is_queued_is_traced(self, gate: Path) -> None:
        """Signals that came before are still traced, later ones are not (rule 30)."""
        signal.signal(USR1, signal.SIG_IGN)
        tracer = FakeTracer(USR1, USR2, script=f"cat {gate}")
        register(tracer)
        for _ in range(3):
            send(USR1)
            assert tracer.traced or tracer.started.acquire(timeout=FOREVER)
        unregister(tracer)
        send(USR1)
        open_gate(gate)
        settle()
        assert len(tracer.traced) == 3

    def test_needs_no_registration(self) -> None:
        """Repeated or of a stranger it does nothing (rule 30)."""
        tracer, stranger = FakeTracer(USR1), FakeTracer(USR1)
        register(tracer)
        unregister(stranger)
        send(USR1)
        unregister(tracer)
        unregister(tracer)
        settle()
        assert len(tracer.traced) == 1

    def test_another_tracer_stays(self) -> None:
        """A signal that another tracer wants still comes to it."""
        one, other = FakeTracer(USR1), FakeTracer(USR1)
        register(one)
        register(other)
        unregister(one)
        send(USR1)
        settle()
        assert (len(one.traced), len(other.traced)) == (0, 1)

    def test_outside_the_main_thread(self) -> None:
        """Nothing is traced any more, and the next signal goes to what stood before."""
        came: list[int] = []

        def owner(number: int, _: object) -> None:
            came.append(number)

        signal.signal(USR1, owner)
        tracer = FakeTracer(USR1)
        register(tracer)
        thread = threading.Thread(target=unregister, args=(tracer,))
        thread.start()
        thread.join()
        send(USR1)
        assert came == [USR1]
        assert signal.getsignal(USR1) is owner
        assert tracer.traced == []


class TestOwner:
    def test_is_called_at_once(self, gate: Path) -> None:
        """A function that stood before has the signal with its frame, and the trace runs."""
        came: list[tuple[int, str]] = []

        def owner(number: int, frame: Any) -> None:
            came.append((number, frame.f_code.co_name))

        signal.signal(USR1, owner)
        tracer = FakeTracer(USR1, script=f"cat {gate}")
        register(tracer)
        send(USR1)
        assert came == [(USR1, "send")]
        assert tracer.started.acquire(timeout=FOREVER)
        open_gate(gate)

    def test_may_raise(self) -> None:
        """What it raises goes through, and the signal is traced all the same."""

        def owner(*_: object) -> None:
            sys.exit(1)

        signal.signal(USR1, owner)
        tracer = FakeTracer(USR1)
        register(tracer)
        with pytest.raises(SystemExit):
            send(USR1)
        settle()
        assert len(tracer.traced) == 1

    def test_waits_for_the_picture(self) -> None:
        """It may end everything, so a tracer of memory has frozen the process before."""
        frozen: list[int] = []
        tracer = FakeMemoryTracer(USR1)
        signal.signal(USR1, lambda *_: frozen.append(len(tracer.traced)))
        register(tracer)
        send(USR1)
        assert frozen == [1]

    def test_does_not_wait_for_its_turn(self, gate: Path) -> None:
        """While another trace runs, the owner is called without delay."""
        came: list[int] = []
        tracer = FakeMemoryTracer(USR1, USR2, script=f"cat {gate}")
        signal.signal(USR2, lambda *_: came.append(len(tracer.traced)))
        register(tracer)
        send(USR1)
        assert tracer.started.acquire(timeout=FOREVER)
        before = time.monotonic()
        for _ in range(20):
            send(USR2)
        assert time.monotonic() - before < 5, "20 waits of half a second would be 10"
        assert came == [1] * 20
        open_gate(gate)

    def test_is_not_sent_it_again(self) -> None:
        """It has handled the signal, which is not sent again (rule 29)."""
        came: list[int] = []
        signal.signal(USR1, lambda number, _: came.append(number))
        update_config(GlobalConfig(rate_limit=0, resend_signal=True))
        tracer = FakeTracer(USR1)
        register(tracer)
        send(USR1)
        settle()
        assert came == [USR1]
        assert len(tracer.traced) == 1

    def test_that_calls_ours(self) -> None:
        """A handler that was set later and passes on is traced once, also when registered anew."""
        came: list[int] = []
        tracer = FakeTracer(INT)
        register(tracer)
        ours: Any = signal.getsignal(INT)

        def chaining(number: int, frame: Any) -> None:
            came.append(number)
            if len(came) < 10:
                ours(number, frame)

        signal.signal(INT, chaining)
        send(INT)
        settle()
        assert (came, len(tracer.traced)) == ([INT], 1)
        register(tracer)
        with pytest.raises(KeyboardInterrupt):  # to the end of the chain, as without bcd
            send(INT)
        settle()
        assert (came, len(tracer.traced)) == ([INT, INT], 2)


class TestResend:
    def test_comes_after_the_trace(self) -> None:
        """SIGINT interrupts as ever once it was traced, and is registered no more (rule 29)."""
        update_config(GlobalConfig(rate_limit=0, resend_signal=True))
        tracer, other = FakeTracer(INT), FakeTracer(INT)
        register(tracer)
        register(other)
        with pytest.raises(KeyboardInterrupt):
            _interrupted()
        assert (len(tracer.traced), len(other.traced)) == (1, 1)
        assert signal.getsignal(INT) is signal.default_int_handler

    def test_is_read_at_register(self) -> None:
        """What is configured later holds for later registrations (rule 29)."""
        tracer = FakeTracer(INT)
        register(tracer)
        update_config(GlobalConfig(rate_limit=0, resend_signal=True))
        send(INT)
        settle()
        assert len(tracer.traced) == 1

    def test_comes_after_a_trace_that_fails(self) -> None:
        """A tracer that cannot be started does not keep the program alive."""
        update_config(GlobalConfig(rate_limit=0, resend_signal=True))
        tracer = FakeTracer(INT)
        tracer.finalize = partial(_noting, [], "", path="/nonexistent")  # type: ignore[method-assign]
        register(tracer)
        with pytest.raises(KeyboardInterrupt):
            _interrupted()
        assert "/nonexistent" in tracer.lines[0][1]

    def test_comes_without_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no thread can be started the signal acts at once."""
        update_config(GlobalConfig(rate_limit=0, resend_signal=True))
        tracer = FakeTracer(INT)
        register(tracer)
        with monkeypatch.context() as patch:
            patch.setattr(_greenlets, "start_new_thread", _no_thread)
            with pytest.raises(KeyboardInterrupt):
                _interrupted()

    def test_comes_though_it_was_missed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A signal that does not wake the main thread is sent again until it arrives."""
        missed: list[int] = []

        def kill(pid: int, number: int) -> None:
            if missed:
                os.kill(pid, number)
            missed.append(number)

        fake = SimpleNamespace(kill=kill, getpid=os.getpid)
        monkeypatch.setattr("bcd.signals.handler.os", fake)
        update_config(GlobalConfig(rate_limit=0, resend_signal=True))
        register(FakeTracer(INT))
        with pytest.raises(KeyboardInterrupt):
            _interrupted()
        assert missed[0] == INT

    def test_ignored_stays_ignored(self) -> None:
        """What the program ignored is harmless when it is sent again (rule 31)."""
        signal.signal(INT, signal.SIG_IGN)
        update_config(GlobalConfig(rate_limit=0, resend_signal=True))
        tracer = FakeTracer(INT)
        register(tracer)
        send(INT)
        settle()
        send(INT)
        assert len(tracer.traced) == 1
        assert signal.getsignal(INT) == signal.SIG_IGN


def _interrupted() -> None:
    send(INT)
    threading.Event().wait(FOREVER)


class Registering(RuleBasedStateMachine):
    """Two tracers, two signals, in any order; each signal is traced as the rules say."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = {n: signal.getsignal(n) for n in (USR1, USR2)}
        self.came: list[int] = []
        self.owner: Callable[..., None] = lambda number, _: self.came.append(number)
        for number in self.kept:
            signal.signal(number, self.owner)
        self.tracers = [FakeTracer(), FakeTracer()]
        self.wanted: list[set[int]] = [set(), set()]
        self.expected: list[tuple[FakeTracer, str]] = []
        self.traced: list[tuple[FakeTracer, str]] = []
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(registration, "trace", self._trace)

    def _trace(self, tracer: FakeTracer, error: Exception, **_: object) -> TraceResult:
        self.traced.append((tracer, str(error)))
        return TraceResult()

    @rule(which=st.integers(0, 1), sigs=st.lists(st.sampled_from([USR1, USR2]), max_size=3))
    def register(self, which: int, sigs: list[int]) -> None:
        """Register one of them; an empty set changes nothing."""
        self.tracers[which].set_sigset(*sigs)
        register(self.tracers[which])
        self.wanted[which] = set(sigs) or self.wanted[which]

    @rule(which=st.integers(0, 1))
    def unregister(self, which: int) -> None:
        """Unregister one of them, registered or not."""
        unregister(self.tracers[which])
        self.wanted[which] = set()

    @rule(number=st.sampled_from([USR1, USR2]))
    def signal_comes(self, number: int) -> None:
        """Send one; its owner has it once, each tracer that wants it traces once."""
        text = f"user defined signal {1 if number == USR1 else 2}"
        send(number)
        settle()
        assert self.came.pop() == number
        assert self.came == []
        takers = [self.tracers[n] for n in (0, 1) if number in self.wanted[n]]
        assert sorted(map(id, takers)) == sorted(id(tracer) for tracer, _ in self.traced)
        assert {said for _, said in self.traced} <= {text}
        self.traced.clear()

    @invariant()
    def owner_stands_where_nobody_listens(self) -> None:
        """A signal that no tracer wants has its own handler, any other has ours."""
        for number in (USR1, USR2):
            wanted = any(number in sigs for sigs in self.wanted)
            assert (signal.getsignal(number) is self.owner) is not wanted

    def teardown(self) -> None:
        """Leave everything as it was."""
        for tracer in self.tracers:
            unregister(tracer)
        self.patch.undo()
        for number, handler in self.kept.items():
            signal.signal(number, handler)


TestRegistering = Registering.TestCase
TestRegistering.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_enable_tracing_is_public() -> None:
    """It says whether processes of the same user may attach; here they may."""
    assert bcd.enable_tracing() is True


def test_enable_tracing_fails_softly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the C library of Linux there is nothing to allow."""
    monkeypatch.setattr("bcd._linux.libc.LIBC", None)
    assert bcd.enable_tracing() is False
    assert _linux.has_handler(INT) is False
    assert _linux.reset_when_caught(INT) is False

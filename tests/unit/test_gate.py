"""One tracer at a time and the rate limit (rules 15, 16, 20, 21 and 24 of the engine's design)."""

from __future__ import annotations

import gc
import math
import os
import threading
import time
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bcd.gate import Gate, Slot

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeClock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Read the clock."""
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    """A clock for the gate."""
    return FakeClock()


@pytest.fixture
def gate(clock: FakeClock) -> Gate:
    """A gate with a clock that stands still."""
    return Gate(clock)


def win(gate: Gate) -> Slot:
    """Win a slot that has to be free."""
    slot = gate.try_acquire()
    assert slot is not None
    return slot


def in_child(answer: Callable[[], bool]) -> bool:
    """Fork, ask the child, and return what it answers; an exception there counts as False."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if answer() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


class Waiter(threading.Thread):
    """A thread that waits for the slot and reports the moment of the clock when it got it."""

    def __init__(self, gate: Gate, deadline: float = math.inf) -> None:
        super().__init__(daemon=True)
        self.gate, self.deadline = gate, deadline
        self.slot: Slot | None = None
        self.won: float | None = None
        waiting = len(gate.queue)
        self.start()
        while len(gate.queue) == waiting and self.is_alive():  # until it stands in the queue
            os.sched_yield()

    def run(self) -> None:
        """Wait for the slot."""
        self.slot = self.gate.acquire(self.deadline)
        self.won = self.gate.clock()


def test_one_slot(gate: Gate) -> None:
    """A second claim is refused while the first one holds the slot (rule 20)."""
    slot = win(gate)

    assert gate.try_acquire() is None
    assert slot.held()


def test_a_new_gate_is_open(gate: Gate) -> None:
    """The first trace of a process does not wait."""
    assert gate.is_open()


def test_closed_for_the_rate_limit_after_the_end(gate: Gate, clock: FakeClock) -> None:
    """The limit runs from the release, not from the start (rule 20)."""
    slot = win(gate)
    clock.now += 100
    slot.release(3.0)

    clock.now += 2.999
    assert gate.try_acquire() is None
    clock.now += 0.001
    win(gate)


@pytest.mark.parametrize("limit", [0.0, -1.0, -math.inf])
def test_no_or_negative_limit_opens_at_once(gate: Gate, limit: float) -> None:
    """A negative limit counts as 0 (rule 20)."""
    win(gate).release(limit)

    assert gate.is_open()


def test_an_endless_limit_never_opens(gate: Gate, clock: FakeClock) -> None:
    """With an infinite limit a process is traced once."""
    win(gate).release(math.inf)
    clock.now += 1e9

    assert gate.try_acquire() is None


def test_given_back_is_as_if_never_taken(gate: Gate) -> None:
    """A slot that was given back costs no rate limit."""
    win(gate).give_back()

    assert gate.is_open()


def test_a_second_release_does_nothing(gate: Gate, clock: FakeClock) -> None:
    """A claim that was given up does not close the gate again, nor take it from its successor."""
    first = win(gate)
    first.release(1.0)
    clock.now += 1.0
    second = win(gate)
    first.release(100.0)
    first.give_back()

    assert second.held()
    second.release(0.0)
    assert gate.is_open()


def test_a_dropped_claim_gives_itself_up(gate: Gate) -> None:
    """A slot lost to an interrupt becomes free with the last reference to it."""
    slot = win(gate)
    del slot
    gc.collect()

    assert gate.is_open()


def test_deadline_in_the_past_never_wins(gate: Gate, clock: FakeClock) -> None:
    """A time-out of nearly nothing loses even a free slot, and leaves it free (rules 16, 18)."""
    assert gate.acquire(clock.now) is None
    assert gate.is_open()


def test_a_wait_that_timed_out_leaves_no_trace() -> None:
    """Neither the queue nor the rate limit remember it (rules 15, 16 and 21)."""
    gate = Gate()
    slot = win(gate)
    closed_until = gate.opens_at

    assert gate.acquire(time.monotonic() + 0.01) is None

    assert slot.held()
    assert gate.opens_at == closed_until
    slot.give_back()
    assert gate.is_open()


def test_a_wait_lasts_until_the_limit_is_over() -> None:
    """Nobody has to wake a waiter that only waits for the rate limit (rule 24)."""
    gate = Gate()
    win(gate).release(0.05)
    opens_at = gate.opens_at

    slot = gate.acquire(math.inf)

    assert slot is not None
    assert time.monotonic() >= opens_at


def test_first_come_first_served() -> None:
    """Four callers get the slot in the order in which they came (rule 20)."""
    gate = Gate()
    slot = win(gate)
    waiters = [Waiter(gate) for _ in range(4)]
    slot.release(0.01)
    for waiter in waiters:
        waiter.join()
        assert waiter.slot is not None
        waiter.slot.release(0.01)

    moments = [waiter.won for waiter in waiters if waiter.won is not None]
    assert len(moments) == 4
    assert all(later - earlier >= 0.01 for earlier, later in pairwise(moments))


def test_a_caller_who_does_not_wait_comes_after_those_who_do() -> None:
    """A free slot that somebody waits for is not free for others (rule 20)."""
    gate = Gate()
    slot = win(gate)
    waiter = Waiter(gate)
    slot.release(3600)  # the waiter is first now, and waits for the limit

    assert gate.try_acquire() is None
    gate.opens_at = -math.inf
    assert gate.try_acquire() is None
    gate.queue[0].ring()
    waiter.join()
    assert waiter.slot is not None


def test_a_waiter_who_gives_up_lets_the_next_one_in() -> None:
    """The queue behind a time-out is served as if it had not been there (rule 16)."""
    gate = Gate()
    slot = win(gate)
    first = Waiter(gate, time.monotonic() + 0.05)
    second = Waiter(gate)
    first.join()
    assert first.slot is None
    slot.give_back()
    second.join()

    assert second.slot is not None


def test_an_exception_in_the_wait_leaves_the_queue(gate: Gate, clock: FakeClock) -> None:
    """A KeyboardInterrupt that ends the wait does not leave a place behind."""
    slot = win(gate)
    waiting = Slot(gate)

    def interrupted() -> float:
        gate.clock = clock
        raise KeyboardInterrupt

    gate.clock = interrupted
    with pytest.raises(KeyboardInterrupt):
        waiting.take(math.inf)

    assert len(gate.queue) == 1
    assert slot.held()


def test_a_trace_inside_a_trace_is_refused_not_locked_up(gate: Gate) -> None:
    """A signal handler that traces while its own thread holds the slot cannot wait for itself."""
    win_ = win(gate)

    assert gate.try_acquire() is None
    assert win_.held()


def test_a_thread_that_would_wait_for_itself_can_know(gate: Gate) -> None:
    """A trace inside a trace is told from one that another thread will end."""
    assert not Slot(gate).waits_for_itself()
    slot = win(gate)
    assert Slot(gate).waits_for_itself()
    answers: list[bool] = []
    other = threading.Thread(target=lambda: answers.append(Slot(gate).waits_for_itself()))
    other.start()
    other.join()
    slot.hand_over()

    assert answers == [False]
    assert not Slot(gate).waits_for_itself()
    waiting = Slot(gate)
    waiting.join()
    assert Slot(gate).waits_for_itself()


def test_a_forked_child_starts_with_a_free_slot(gate: Gate) -> None:
    """Neither the parent's slot nor its waiters hold up the child (rule 24)."""
    slot = win(gate)
    waiter = Waiter(gate)

    assert in_child(lambda: gate.try_acquire() is not None)
    assert slot.held()
    slot.give_back()
    gate.queue[0].ring()
    waiter.join()


def test_a_child_forked_during_the_limit_is_not_blocked(gate: Gate) -> None:
    """The rate limit of the parent is not that of the child (rule 24)."""
    win(gate).release(math.inf)

    assert in_child(gate.is_open)
    assert not gate.is_open()


def test_the_parents_claim_means_nothing_in_the_child(gate: Gate) -> None:
    """A slot that was won before the fork neither counts nor closes the gate in the child."""
    slot = win(gate)

    def answer() -> bool:
        lost = not slot.held()
        slot.release(math.inf)
        return lost and gate.is_open()

    assert in_child(answer)
    assert slot.held()


class Gone(BaseException):
    """What ends the wait of a caller: an interrupt, or a fork that leaves its thread behind."""


class FakeCaller(Slot):
    """A caller who waits in a thread of its own, which runs when it is told to and then rests."""

    def __init__(self, gate: Gate, deadline: float) -> None:
        super().__init__(gate)
        self.deadline = deadline
        self.won: bool | None = None
        self.wakes_at = math.inf
        self._gone = False
        self._turn, self._rest = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()
        self.go_on()

    def _run(self) -> None:
        self._turn.acquire()
        with suppress(Gone):
            self.won = self.take(self.deadline)
        self._rest.release()

    def _sleep(self, seconds: float) -> None:
        self.wakes_at = self._gate.clock() + seconds
        self._rest.release()
        self._turn.acquire()
        if self._gone:
            raise Gone

    def go_on(self) -> None:
        """Let it run until it sleeps again or knows whether it has won."""
        self._turn.release()
        self._rest.acquire()

    def leave_by_exception(self) -> None:
        """End its wait from outside."""
        self._gone = True
        self.go_on()

    def is_awake(self) -> bool:
        """Whether its sleep is over: somebody rang, or its time came."""
        assert self._place.bell is not None
        return self._place.bell.acquire(blocking=False) or self._gate.clock() >= self.wakes_at


MOMENTS = st.integers(0, 40).map(lambda quarters: quarters / 4)  # seconds that floats hold exactly
ANY = st.integers(0, 99)


class GateMachine(RuleBasedStateMachine):
    """Callers wait, try, release and leave in any order; a plain list says what must be so.

    Nobody sleeps in earnest: the clock goes from one moment at which somebody wakes to the next,
    so whoever wakes too late, too often or not at all is found out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.gate = Gate(self.clock)
        self.order: list[Slot] = []
        self.opens_at = -math.inf
        self.waiting: list[FakeCaller] = []
        self.claims: list[Slot] = []  # of those who do not wait, or no longer

    def is_owner(self, slot: Slot) -> bool:
        """Whether the model says that this claim has the slot."""
        return self.order[:1] == [slot] and self.clock.now >= self.opens_at

    def is_free(self) -> bool:
        """Whether the model says that the slot can be had at once."""
        return not self.order and self.clock.now >= self.opens_at

    def forget(self, slot: Slot) -> None:
        """The model's way to leave the queue."""
        if slot in self.order:
            self.order.remove(slot)

    def settle(self) -> None:
        """Let run whoever is awake, until nobody is."""
        runs = 0
        while awake := [caller for caller in self.waiting if caller.is_awake()]:
            for caller in awake:
                caller.go_on()
                self.note_end(caller)
                runs += 1
            assert runs <= 4 * (len(self.order) + 1), "they wake for nothing"
        assert len(self.gate.queue) == len(self.order)
        for caller in self.waiting:
            assert self.clock.now < caller.deadline, "it sleeps on after its deadline"
            assert not self.is_owner(caller), "it sleeps on while the slot is its own"

    def note_end(self, caller: FakeCaller) -> None:
        """Compare the end of a wait with the model, if it is one."""
        if caller.won is None:
            return
        if caller in self.waiting:
            self.waiting.remove(caller)
        if caller.won:
            assert self.is_owner(caller)
            assert self.clock.now < caller.deadline
            self.claims.append(caller)
        else:
            assert self.clock.now >= caller.deadline
            self.forget(caller)

    @rule(seconds=MOMENTS | st.just(math.inf))
    def wait(self, seconds: float) -> None:
        """A caller waits, maybe for ever; who has no time at all is not even served if it could."""
        caller = FakeCaller(self.gate, self.clock.now + seconds)
        self.order.append(caller)
        self.waiting.append(caller)
        self.note_end(caller)
        self.settle()

    @rule()
    def join(self) -> None:
        """A caller stands in the queue, and has not looked yet who is first."""
        slot = Slot(self.gate)
        slot.join()
        self.order.append(slot)
        self.claims.append(slot)

    @rule()
    def try_take(self) -> None:
        """A caller who does not wait wins exactly when the model says free."""
        slot = Slot(self.gate)
        free = self.is_free()
        assert slot.try_take() == free
        if free:
            self.order.append(slot)
        self.claims.append(slot)

    @rule(seconds=MOMENTS)
    def time_passes(self, seconds: float) -> None:
        """The clock goes on, from one waking to the next."""
        end = self.clock.now + seconds
        while (moment := min((one.wakes_at for one in self.waiting), default=end)) < end:
            self.clock.now = max(self.clock.now, moment)
            self.settle()
        self.clock.now = end
        self.settle()

    @precondition(lambda self: self.claims)
    @rule(which=ANY, limit=st.sampled_from([-math.inf, -1.0, 0.0, 0.25, 1.0, 3.0, 8.0]))
    def release(self, which: int, limit: float) -> None:
        """Only the owner's release closes the gate, for the limit of its own call."""
        slot = self.claims[which % len(self.claims)]
        if self.is_owner(slot):
            self.opens_at = self.clock.now + max(0.0, limit)
        slot.release(limit)
        self.forget(slot)
        self.settle()

    @precondition(lambda self: self.claims)
    @rule(which=ANY)
    def give_back(self, which: int) -> None:
        """A claim is given up as if it had never been, maybe again."""
        slot = self.claims[which % len(self.claims)]
        slot.give_back()
        self.forget(slot)
        self.settle()

    @precondition(lambda self: self.claims)
    @rule(which=ANY)
    def drop(self, which: int) -> None:
        """The last reference to a claim goes."""
        slot = self.claims.pop(which % len(self.claims))
        self.forget(slot)
        slot.__del__()
        self.settle()

    @precondition(lambda self: self.waiting)
    @rule(which=ANY)
    def interrupt(self, which: int) -> None:
        """An exception ends a wait."""
        caller = self.waiting.pop(which % len(self.waiting))
        self.forget(caller)
        caller.leave_by_exception()
        self.settle()

    @rule()
    def fork(self) -> None:
        """A child has neither the parent's waiters nor its limit, and its claims mean nothing."""
        self.gate.reset()
        self.order.clear()
        self.opens_at = -math.inf
        self.teardown()

    @invariant()
    def the_first_and_only_the_first_has_it(self) -> None:
        """Claims are served in their order, and nobody else has the slot."""
        assert [slot.held() for slot in self.order] == [self.is_owner(s) for s in self.order]
        assert not any(slot.held() for slot in self.claims if slot not in self.order)
        assert len(self.gate.queue) == len(self.order)

    @invariant()
    def open_only_when_nobody_waits_and_the_limit_is_over(self) -> None:
        """The gate is open exactly when the model is."""
        assert self.gate.is_open() == self.is_free()
        assert self.gate.opens_at == self.opens_at

    def teardown(self) -> None:
        """End the threads that wait."""
        while self.waiting:
            self.waiting.pop().leave_by_exception()


GateMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_the_gate_as_a_state_machine = GateMachine.TestCase

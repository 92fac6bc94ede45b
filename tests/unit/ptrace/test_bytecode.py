"""How high the stack is and which ``with`` blocks are open, against frames that say it."""

from __future__ import annotations

import asyncio.base_events
import dis
import http.client
import inspect
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from bcd.ptrace.bytecode import Instructions, handlers
from bcd.ptrace.circles import circles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from bcd.ptrace.layout import Layout
    from bcd.ptrace.memory import LiveMemory


@pytest.fixture(scope="module")
def instructions() -> Instructions:
    """Those of this interpreter."""
    return Instructions()


def raw(code: types.CodeType) -> bytes:
    """The code as it lies in memory, specialized."""
    return code._co_code_adaptive  # type: ignore[attr-defined, no-any-return]


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code object and all that it holds."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes(constant)


def suspended() -> Iterator[Any]:
    """Generators that stand with stacks of many heights."""

    def nested(items: list[int]) -> Iterator[Any]:
        for item in items:
            for other in items:
                yield [item, other, (yield item), {1: (yield other)}]

    def guarded(lock: AbstractContextManager[Any]) -> Iterator[Any]:
        with lock, lock:
            try:
                yield 1
                int("none")
            except ValueError:
                yield [1, (yield 2)]

    def delegating() -> Iterator[Any]:
        yield from nested([1, 2])
        yield [1, (yield from guarded(threading.RLock()))]  # type: ignore[func-returns-value] # the stack counts

    made: list[Callable[[], Iterator[Any]]] = [
        lambda: nested([1, 2]),
        lambda: guarded(threading.RLock()),
        delegating,
    ]
    for make in made:
        for count in range(1, len(list(make())) + 1):
            generator = make()
            for _ in range(count):
                next(generator)
            yield generator


class TestDepths:
    def test_equal_what_suspended_frames_say(
        self, instructions: Instructions, layout: Layout, own: LiveMemory
    ) -> None:
        """A generator that stands still says how high its stack is: so does its code."""
        compared = set()
        for generator in suspended():
            code = generator.gi_code
            frame = id(generator) + layout.generator.frame
            top = own.int32(frame + layout.frame.stack_top) - code.co_nlocals - len(cells(code))
            steps, table = instructions.decode(raw(code)), handlers(code.co_exceptiontable)
            found = instructions.depths(steps, table, generator=True)
            assert found[generator.gi_frame.f_lasti] - 1 == top  # what it yielded is gone
            compared.add(top)
        assert len(compared) >= 4

    @pytest.mark.parametrize("module", [asyncio.base_events, inspect, http.client, threading])
    def test_of_whole_modules(self, instructions: Instructions, module: types.ModuleType) -> None:
        """All ways through real code agree, and none leaves the stack that was made for it."""
        source = inspect.getsource(module)
        for code in codes(compile(source, "module", "exec")):
            generator = bool(code.co_flags & (0x20 | 0x80 | 0x200))
            steps, table = instructions.decode(raw(code)), handlers(code.co_exceptiontable)
            found = instructions.depths(steps, table, generator=generator)
            assert min(found.values()) >= 0
            assert max(found.values()) <= code.co_stacksize

    def test_specialized_code_is_read_as_it_was_written(self, instructions: Instructions) -> None:
        """Functions that ran often have other instructions in memory than ``dis`` shows."""

        def often(number: int) -> list[int]:
            return [number + other for other in range(number) if other in (1, 2, number)]

        for _ in range(1000):
            often(5)
        assert raw(often.__code__) != often.__code__.co_code
        steps = instructions.decode(raw(often.__code__))
        shown = [(at, number) for at, (number, _, _) in steps.items()]
        assert shown == [(each.offset, each.opcode) for each in dis.get_instructions(often)]

    def test_damaged_code_is_refused(self, instructions: Instructions) -> None:
        """Nothing is said of what makes no sense."""
        jump = instructions.numbers["JUMP_FORWARD"]
        steps = instructions.decode(bytes([jump, 200] * 3))
        with pytest.raises((ValueError, LookupError)):
            instructions.depths(steps, [], generator=False)


def cells(code: types.CodeType) -> list[str]:
    """The names of variables in cells that are no arguments, and of free ones."""
    return [*(n for n in code.co_cellvars if n not in code.co_varnames), *code.co_freevars]


class TestHandlers:
    def test_equal_those_of_dis(self) -> None:
        """The table is decoded as ``dis`` does it, which takes 10 ms to import."""
        for function in (threading.Thread.run, threading.Condition.wait, http.client.parse_headers):
            table = function.__code__.co_exceptiontable
            shown = [(h.start, h.end, h.target, h.depth, h.extra == 2) for h in handlers(table)]
            truth = dis._parse_exception_table(function.__code__)  # type: ignore[attr-defined]
            assert shown == [(t.start, t.end, t.target, t.depth, t.lasti) for t in truth]


class TestCircles:
    @pytest.mark.parametrize(
        ("waits", "found"),
        [
            ({}, []),
            ({1: 2, 2: 3}, []),
            ({1: 2, 2: 1}, [[1, 2]]),
            ({1: 1}, [[1]]),
            ({0: 1, 1: 2, 2: 3, 3: 1, 4: 2}, [[1, 2, 3]]),
            ({1: 2, 2: 1, 3: 4, 4: 3, 5: 4}, [[1, 2], [3, 4]]),
        ],
    )
    def test_each_is_found_once(self, waits: dict[int, int], found: list[list[int]]) -> None:
        """Those that lead into a circle are no part of it."""
        assert circles(waits) == found

"""Learning the interpreter's layout: each part agrees with ctypes, or the build is refused."""

from __future__ import annotations

import ctypes
import gc
import random
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from bcd.ptrace.calibrate import calibrate
from bcd.ptrace.calibrate import objects as calibrate_objects
from bcd.ptrace.calibrate import threads as calibrate_threads
from bcd.ptrace.calibrate.proof import prove
from bcd.ptrace.calibrate.search import WORD, Search
from bcd.ptrace.errors import CalibrationError
from bcd.ptrace.memory import LiveMemory

if TYPE_CHECKING:
    from collections.abc import Generator

    from bcd.ptrace.layout import Layout


def word(address: int) -> int:
    """What stands at an address, by other means than those to be tested."""
    return ctypes.c_size_t.from_address(address).value


class TestParts:
    def test_sequences(self, layout: Layout) -> None:
        """Lists and tuples: their sizes and their items."""
        found, items = layout.container, [object(), object()]
        assert word(id(items) + found.list_size) == 2
        assert word(word(id(items) + found.list_items)) == id(items[0])
        pair = tuple(items)
        assert word(id(pair) + found.tuple_size) == 2
        assert word(id(pair) + found.tuple_items + 8) == id(items[1])

    def test_byte_strings(self, layout: Layout) -> None:
        """Bytes and bytearrays: their sizes and data, of a bytearray cut at its start too."""
        found, data, array = layout.container, b"some bytes", bytearray(b"0123456789")
        del array[:3]
        assert word(id(data) + found.bytes_size) == 10
        assert ctypes.string_at(id(data) + found.bytes_data, 10) == data
        assert word(id(array) + found.bytearray_size) == 7
        assert ctypes.string_at(word(id(array) + found.bytearray_data), 7) == b"3456789"

    def test_types(self, layout: Layout) -> None:
        """Types: names, flags, sizes and the order of their bases."""

        class Here(dict[str, int]):
            pass

        found = layout.type
        assert ctypes.string_at(word(id(int) + found.name)) == b"int"
        assert word(id(Here) + found.basicsize) == Here.__basicsize__
        assert word(id(Here) + found.flags) == Here.__flags__
        assert word(id(Here) + found.mro) == id(Here.__mro__)
        assert word(id(Here) + found.qualname) == id(Here.__qualname__)

    def test_exceptions(self, layout: Layout) -> None:
        """Exceptions: arguments, traceback, chain, groups and what messages are made of."""
        cause, context = KeyError("cause"), ValueError("context")
        error = OSError(2, "reason", "first", None, "second")
        error.__cause__, error.__context__ = cause, context
        found = layout.exception
        assert word(id(error) + found.args) == id(error.args)
        assert word(id(error) + found.cause) == id(cause)
        assert word(id(error) + found.context) == id(context)
        assert word(id(error) + found.members["filename2"]) == id(error.filename2)
        group = ExceptionGroup("group", [cause])
        assert word(id(group) + found.group_exceptions) == id(group.exceptions)
        assert set(found.members) >= {"errno", "strerror", "object", "start", "msg", "lineno"}

    def test_frames_and_code(self, layout: Layout) -> None:
        """Frames: their code, caller, globals and variables, in slot order."""
        first, second = object(), object()
        frame = sys._getframe()
        here = word(id(frame) + layout.frame.of_object)
        assert word(here + layout.frame.code) == id(frame.f_code)
        assert word(here + layout.frame.globals) == id(globals())
        names = frame.f_code.co_varnames
        slots = here + layout.frame.variables
        assert word(slots + 8 * names.index("first")) == id(first)
        assert word(slots + 8 * names.index("second")) == id(second)
        caller = word(here + layout.frame.previous)
        assert frame.f_back is not None
        assert word(id(frame.f_back) + layout.frame.of_object) == caller

    def test_generators(self, layout: Layout, own: LiveMemory) -> None:
        """Generators: the state byte tells those that wait from those that are through."""

        def produce() -> Generator[int, None, None]:
            yield 1

        generator = produce()
        next(generator)
        found = layout.generator
        assert own.byte(id(generator) + found.state) in found.suspended
        assert own.word(id(generator) + found.frame + layout.frame.code) == id(produce.__code__)
        generator.close()
        assert own.byte(id(generator) + found.state) in found.finished
        assert not found.suspended & found.finished

    def test_threads(self, layout: Layout, own: LiveMemory) -> None:
        """The holder of the GIL and the list of modules are found from ``_PyRuntime`` on."""
        found = layout.thread
        interpreter = own.word(found.runtime + found.runtime_interpreter)
        assert own.word(interpreter + found.interpreter_modules) == id(sys.modules)
        holder = own.word(found.runtime + found.gil_holder)
        assert own.word(holder + found.interpreter) == interpreter

    def test_threads_that_are_far(
        self, layout: Layout, own: LiveMemory, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a later version puts further from the start is found too, at the same places."""
        monkeypatch.setattr(calibrate_threads, "_NEAR", 16)
        assert vars(calibrate(own).thread) == vars(layout.thread)

    def test_threads_beside(self, layout: Layout, own: LiveMemory) -> None:
        """Threads that stand between the samples do not hide where one points to the next."""
        done = threading.Event()
        others = [threading.Thread(target=done.wait) for _ in range(3)]
        for other in others:
            other.start()
        try:
            assert vars(calibrate(own).thread) == vars(layout.thread)
        finally:
            done.set()
            for other in others:
                other.join()

    def test_cells_and_functions(self, layout: Layout) -> None:
        """Cells, closures, methods and modules: the pointers that they hold."""
        content = object()

        def closure() -> object:
            return content

        (cell,) = closure.__closure__ or ()
        method: Any = self.test_threads
        assert word(id(cell) + layout.misc.cell) == id(content)
        assert word(id(closure) + layout.misc.function_closure) == id(closure.__closure__)
        assert word(id(method) + layout.misc.method_self) == id(self)
        assert word(id(types) + layout.misc.module_dict) == id(vars(types))

    def test_tasks(self, layout: Layout) -> None:
        """Tasks: found without importing asyncio, and nothing of the stand-ins is left."""
        assert layout.task is not None
        import asyncio  # the true one, after calibration

        assert asyncio.Task.__name__ == "Task"
        assert "__file__" in vars(sys.modules["asyncio.events"])


class TestWhole:
    def test_twice_the_same(self, layout: Layout, own: LiveMemory) -> None:
        """Calibration gives the same answer however often it is done, while garbage comes."""
        for _ in range(3):
            gc.collect()
            again = calibrate(own)
            for group, members in vars(layout).items():
                if hasattr(members, "__dict__"):
                    assert vars(getattr(again, group)) == vars(members), group

    @pytest.mark.parametrize(
        ("group", "member"),
        [
            ("container", "str_ascii"),
            ("container", "int_digits"),
            ("dict", "header"),
            ("type", "cached_keys"),
            ("container", "set_table"),
        ],
    )
    def test_a_wrong_layout_is_refused(self, own: LiveMemory, group: str, member: str) -> None:
        """A layout that is wrong in one member does not pass the proof."""
        layout = calibrate(own)
        setattr(getattr(layout, group), member, getattr(getattr(layout, group), member) + 8)
        with pytest.raises(CalibrationError, match="could not be proven"):
            prove(layout, own)


class TestAmbiguity:
    def test_no_member_descriptor(self, own: LiveMemory) -> None:
        """A descriptor of another kind gives no offset, but a refusal."""
        with pytest.raises(CalibrationError, match="no member descriptor"):
            calibrate_objects.member_offset(Search(own), type.__dict__["__doc__"])

    def test_values_that_stand_in_two_places(self, own: LiveMemory) -> None:
        """When every value stands in two places none of them is proven, and that is refused."""

        class Double(Search):
            """Finds everything twice."""

            def all(self, address: int, size: int, value: int, start: int = 0) -> list[int]:
                found = super().all(address, size, value, start)
                return sorted({*found, *(offset + 8 for offset in found)})

        with pytest.raises(CalibrationError, match="2 places for a list's size"):
            calibrate_objects.calibrate_containers(Double(own))

    @pytest.mark.parametrize("seed", range(32))
    def test_bytes_that_nobody_sets(self, layout: Layout, seed: int) -> None:
        """The byte beside the kind of a dict's keys may be anything; it is not taken for it."""
        chance = random.Random(seed)  # noqa: S311 - to be repeatable

        class Littered(LiveMemory):
            def read(self, address: int, size: int) -> bytes:
                data = bytearray(super().read(address, size))
                if size == 2 * WORD:
                    data[layout.dict.kind + 1] = chance.getrandbits(1)
                return bytes(data)

        with open("/proc/self/mem", "rb", buffering=0) as memory:  # noqa: PTH123 - no path
            found = calibrate_objects.calibrate_dicts(Search(Littered(memory.fileno())))
        assert found.kind == layout.dict.kind

    def test_words_that_are_not_there(self, own: LiveMemory) -> None:
        """Where no word is what it has to be, the message says what was looked for."""

        class Blind(Search):
            """Sees zeros wherever it looks."""

            def words(self, address: int, size: int) -> list[int]:
                return [address & 0] * (size // 8)

        with pytest.raises(CalibrationError, match="a list's size"):
            calibrate_objects.calibrate_containers(Blind(own))

"""What the copy of a process is, and what it is not, seen from the process and from /proc."""

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bcd.freeze import FrozenMemory, freeze

WALL = 0x40000000


@contextlib.contextmanager
def frozen(seconds: float = 30) -> Iterator[FrozenMemory]:
    """A frozen copy that is gone afterwards."""
    memory = freeze(seconds=seconds)
    try:
        assert memory.mode == "frozen", memory.notes
        yield memory
    finally:
        memory.release()


def status_of(pid: int) -> dict[str, str]:
    """The fields of ``/proc/PID/status``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def descriptors() -> set[str]:
    """The open descriptors of this process, by number."""
    return {each.name for each in Path("/proc/self/fd").iterdir()}


class TestConsistency:
    def test_it_keeps_the_moment(self) -> None:
        """What the program changes afterwards does not change in the copy."""
        value = ctypes.create_string_buffer(b"before", 6)
        with frozen() as memory:
            value.raw = b"after!"
            assert os.pread(memory.descriptor, 6, ctypes.addressof(value)) == b"before"

    def test_busy_threads_are_never_caught_in_the_middle(self) -> None:
        """What a thread writes in one step is in the copy wholly or not at all."""
        size, stop, moved = 64 * 1024, threading.Event(), 0
        block = ctypes.create_string_buffer(size)
        patterns = [bytes([number]) * size for number in range(8)]

        def write() -> None:
            while not stop.is_set():
                for pattern in patterns:
                    block[:] = pattern

        threads = [threading.Thread(target=write) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            seen = set()
            for _ in range(50):
                with frozen() as memory:
                    content = os.pread(memory.descriptor, size, ctypes.addressof(block))
                assert len(set(content)) == 1, "a torn block"
                moved += content[0] not in seen
                seen.add(content[0])
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert moved > 1, "the threads have to be at work"

    def test_nothing_runs_in_it(self) -> None:
        """A thread that counts goes on in the program and stands still in the copy."""
        counter, stop = ctypes.c_long(0), threading.Event()

        def count() -> None:
            while not stop.is_set():
                counter.value += 1

        thread = threading.Thread(target=count)
        thread.start()
        try:
            with frozen() as memory:
                assert status_of(memory.copy)["Threads"] == "1"
                address, before = ctypes.addressof(counter), counter.value
                first = os.pread(memory.descriptor, 8, address)
                while counter.value < before + 10_000:
                    pass
                assert os.pread(memory.descriptor, 8, address) == first
        finally:
            stop.set()
            thread.join()

    def test_no_handler_for_forks_runs(self) -> None:
        """``os.register_at_fork`` is for forks; neither side of the copy calls it."""
        source = (
            "import os\n"
            "for moment in ('before', 'after_in_parent', 'after_in_child'):\n"
            "    os.register_at_fork(**{moment: lambda m=moment: os.write(1, m.encode())})\n"
            "from bcd.freeze import freeze\n"
            "memory = freeze(seconds=30)\n"
            "assert memory.mode == 'frozen'\n"
            "memory.release()\n"
            "os.write(1, b'done')\n"
        )
        run = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
        assert run.stdout == b"done"


class TestInvisibility:
    def test_waiting_for_any_child_does_not_see_it(self) -> None:
        """The program's own ``waitpid(-1)`` finds no child, alive or dead."""
        with frozen() as memory:
            with pytest.raises(ChildProcessError):
                os.waitpid(-1, os.WNOHANG)
            os.kill(memory.copy, signal.SIGKILL)
            with pytest.raises(ChildProcessError):
                os.waitpid(-1, 0)

    def test_its_end_sends_no_signal(self) -> None:
        """No SIGCHLD arrives, neither for a copy that ends nor for one that is killed."""
        seen: list[int] = []
        before = signal.signal(signal.SIGCHLD, lambda number, _: seen.append(number))
        try:
            with frozen():
                pass
            subprocess.run([sys.executable, "-S", "-c", ""], check=True)
        finally:
            signal.signal(signal.SIGCHLD, before)
        assert len(seen) == 1, "that of the program run for comparison, and no other"

    def test_its_signals_are_blocked_and_the_programs_are_not(self) -> None:
        """A Ctrl-C of the terminal reaches the program, never the copy's handlers."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
        try:
            with frozen() as memory:
                blocked = int(status_of(memory.copy)["SigBlk"], 16)
                assert blocked >> (signal.SIGINT - 1) & 1
                assert blocked >> (signal.SIGALRM - 1) & 1
                now = signal.pthread_sigmask(signal.SIG_BLOCK, [])
            assert now == before | {signal.SIGUSR2}
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def test_it_keeps_no_listening_socket(self) -> None:
        """Closing a socket closes it for good: the address can be had again at once."""
        first = socket.create_server(("127.0.0.1", 0))
        address = first.getsockname()
        with frozen():
            first.close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address, timeout=5)
            socket.create_server(address, reuse_port=False).close()


class TestEnd:
    def test_nothing_is_left(self) -> None:
        """After the release there is no zombie, no child and no descriptor."""
        before = descriptors()
        with frozen() as memory:
            copy = memory.copy
        assert descriptors() == before
        assert not Path(f"/proc/{copy}").exists()
        with pytest.raises(ChildProcessError):
            os.waitpid(copy, WALL | os.WNOHANG)

    def test_it_ends_by_itself(self) -> None:
        """A copy that nobody releases is gone after its seconds, and can still be released."""
        with frozen(seconds=1) as memory:
            handle = os.pidfd_open(memory.copy)
            try:
                assert select.select([handle], [], [], 60)[0], "it should have ended"
            finally:
                os.close(handle)
            assert status_of(memory.copy)["State"].startswith("Z")

    def test_many_at_once(self) -> None:
        """Copies do not disturb each other; each keeps its own moment."""
        value = ctypes.c_long(0)
        with contextlib.ExitStack() as stack:
            memories = []
            for number in range(10):
                value.value = number
                memories.append(stack.enter_context(frozen()))
            value.value = -1
            kept = [os.pread(each.descriptor, 8, ctypes.addressof(value)) for each in memories]
        assert [int.from_bytes(each, sys.byteorder) for each in kept] == list(range(10))

    def test_any_thread_may_release(self) -> None:
        """A reaper thread can end the copy that another thread took."""
        with frozen() as memory:
            copy = memory.copy
            thread = threading.Thread(target=memory.release)
            thread.start()
            thread.join()
            assert not Path(f"/proc/{copy}").exists()

    def test_a_forked_child_leaves_it_alone(self) -> None:
        """A worker forked meanwhile closes its own descriptor and does not end the copy."""
        value = ctypes.create_string_buffer(b"before", 6)
        with frozen() as memory:
            worker = os.fork()
            if worker == 0:
                memory.release()
                os._exit(0 if memory.descriptor == -1 else 1)
            assert os.waitpid(worker, 0)[1] == 0
            value.raw = b"after!"
            assert os.pread(memory.descriptor, 6, ctypes.addressof(value)) == b"before"
            assert not status_of(memory.copy)["State"].startswith("Z")

"""Which errors the hooks see and which they cannot, under each Python; the rest is as without."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.libraries import need
from tests.polling import poll
from tests.process.ended import Ended, run_program, snapshots_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bcd.snapshot import Snapshot
    from tests.recording import RecordingProgram

FLUSH = "import atexit, bcd; atexit.register(bcd.flush, 30.0); "
ALL = FLUSH + (
    "bcd.init(config=bcd.GlobalConfig(rate_limit=0), "
    "hooks=['excepthook', 'threading', 'asyncio', 'unraisable'])"
)
LOGGED = ALL.replace("'unraisable'", "'unraisable', 'logging'")

GROUP = """
    import asyncio
    async def fail(error):
        raise error
    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(LookupError("one")))
            group.create_task(fail(KeyError("two")))
    asyncio.run(main())
"""
RUNNER = """
    import asyncio, gc, sys
    async def fail():
        raise LookupError("in a task")
    async def main():
        asyncio.get_running_loop().slow_callback_duration = 60.0  # told in debug mode
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task
        gc.collect()
    for debug in (False, True):
        with asyncio.Runner(debug=debug) as runner:
            runner.run(main())
            bcd.flush() if "bcd" in sys.modules else None
"""
GENERATOR = """
    import asyncio
    async def numbers():
        try:
            yield 1
        finally:
            raise LookupError("closed")
    async def main():
        async for number in numbers():
            break
    asyncio.run(main())
"""
TIMER = """
    import threading
    def fail():
        raise LookupError("in a timer")
    timer = threading.Timer(0, fail)
    timer.start()
    timer.join()
"""
BARE_THREAD = """
    import _thread
    done = _thread.allocate_lock()
    done.acquire()
    class Last:
        def __del__(self):
            done.release()
    def fail(last):
        raise LookupError("in a bare thread")
    _thread.start_new_thread(fail, (Last(),))
    done.acquire()
"""
AT_EXIT = """
    import atexit
    @atexit.register
    def fail():
        raise LookupError("in atexit")
"""
AT_FORK = """
    import os
    def fail():
        raise LookupError("in the parent")
    os.register_at_fork(after_in_parent=fail)
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
"""


def seen(ended: Ended) -> tuple[int, str, str]:
    """What somebody sees, without what differs from run to run."""
    status, stdout, stderr = ended.visible
    return status, stdout, re.sub(r"0x[0-9a-f]+", "0x", stderr)


@pytest.mark.parametrize(
    ("program", "hooks"),
    [
        (GROUP, ["excepthook"]),
        (RUNNER, ["asyncio", "asyncio"]),
        (GENERATOR, ["asyncio"]),
        (TIMER, ["threading"]),
        (BARE_THREAD, ["unraisable"]),
        (AT_EXIT, ["unraisable"]),  # trap 4
        (AT_FORK, ["unraisable"]),  # trap 1
    ],
    ids=["group", "runner", "generator", "timer", "bare thread", "atexit", "fork"],
)
def test_traced_and_nothing_else_changed(
    run: Callable[..., Ended], program: str, hooks: list[str]
) -> None:
    """Output and exit status are to the byte what they are without bcd."""
    plain, traced = run("", program), run(ALL, program)
    assert "LookupError" in plain.stderr
    assert seen(traced) == seen(plain)
    assert traced.hooks == hooks
    assert set(traced.said("bcd.suppressed")) == {"0"}


def test_group_is_whole(run: Callable[..., Ended]) -> None:
    """A group that nothing handles is one error, with those in it and their frames."""
    (snapshot,) = run(ALL, GROUP).snapshots
    assert snapshot.exception is not None
    errors = snapshot.exception.list
    group = errors[snapshot.exception.root]
    assert [errors[child].type for child in group.children] == ["LookupError", "KeyError"]
    assert [errors[child].frames[-1].function for child in group.children] == ["fail", "fail"]


CHILDREN = """
    import multiprocessing, sys
    class Odd(multiprocessing.Process):
        def run(self):
            raise LookupError("in a run of its own")
    def fail():
        raise LookupError("in a child")
    def end():
        sys.exit(3)
    if __name__ == "__main__":
        context = multiprocessing.get_context(METHOD)
        for child in (context.Process(target=fail), context.Process(target=end)):
            child.start()
            child.join()
            print(child.exitcode)
"""


def run_children(
    run: Callable[..., Ended], tmp_path: Path, setup: str, program: str
) -> tuple[Ended, list[Snapshot]]:
    """Run it, and wait for a snapshot: a forked child may end before its tracer."""
    quiet = "import warnings; warnings.simplefilter('ignore'); "  # of Python itself, from 3.15 on
    ended = run(quiet + setup, program)
    folder = tmp_path / "snapshots"
    if "init" in setup:
        poll(lambda: [*folder.glob("[!.]*")], "a snapshot")
    return ended, snapshots_in(folder)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_processes_of_multiprocessing(
    run: Callable[..., Ended], tmp_path: Path, method: str
) -> None:
    """What they print themselves is the same to the byte, and so is how they end."""
    program = CHILDREN.replace("METHOD", repr(method))
    hooks = ALL.replace("'asyncio'", "'asyncio', 'multiprocessing'")
    plain, _ = run_children(run, tmp_path, "import bcd", program)
    traced, snapshots = run_children(run, tmp_path, hooks, program)
    number = re.compile(r"Process-\d+|exec\(.*\)")
    assert traced.stdout == plain.stdout == "1\n3\n"
    assert number.sub("", traced.stderr) == number.sub("", plain.stderr)
    (snapshot,) = snapshots
    assert snapshot.attributes["bcd.hook"] == "multiprocessing"
    assert snapshot.exception is not None
    assert snapshot.exception.list[snapshot.exception.root].frames[-1].function == "fail"


def test_a_process_with_a_run_of_its_own(run: Callable[..., Ended], tmp_path: Path) -> None:
    """That no function of ``multiprocessing`` is called by."""
    program = CHILDREN.replace("context.Process(target=fail)", "Odd()").replace("METHOD", "'fork'")
    setup = ALL.replace("'asyncio'", "'multiprocessing'")
    _, (snapshot,) = run_children(run, tmp_path, setup, program)
    assert snapshot.attributes["exception.message"] == "in a run of its own"


NOT_SEEN = {
    "futures of a pool that nobody asks": """
        from concurrent.futures import ThreadPoolExecutor
        def fail():
            raise LookupError("lost")
        with ThreadPoolExecutor() as pool:
            pool.submit(fail)
    """,
    "a task that is never collected": """
        import asyncio
        async def fail():
            raise LookupError("kept")
        async def main():
            global task
            task = asyncio.ensure_future(fail())
            await asyncio.wait([task])
            task.exception()
        asyncio.run(main())
    """,
    "a hook that was put in place of bcd's": """
        import sys
        sys.excepthook = lambda *error: print("theirs")
        raise LookupError("theirs alone")
    """,
    "a group of ends": """
        raise BaseExceptionGroup("all ends", [SystemExit(1), KeyboardInterrupt()])
    """,
}


@pytest.mark.parametrize("kind", NOT_SEEN)
def test_not_traced(run: Callable[..., Ended], kind: str) -> None:
    """What reaches no hook of Python, and what is no error."""
    plain, traced = run("", NOT_SEEN[kind]), run(ALL, NOT_SEEN[kind])
    assert seen(traced) == seen(plain)
    assert traced.snapshots == []


def test_callback_of_a_future(run: Callable[..., Ended]) -> None:
    """What the standard library catches and logs is seen by the hook ``logging`` alone."""
    program = """
        from concurrent.futures import Future
        def fail(future):
            raise LookupError("in a callback")
        future = Future()
        future.add_done_callback(fail)
        future.set_result(None)
    """
    plain = run("", program)
    assert seen(run(ALL, program)) == seen(plain)
    traced = run(LOGGED, program)
    assert seen(traced) == seen(plain)
    assert traced.said("log.logger") == ["concurrent.futures"]


class TestChains:
    """What stands before and over bcd's hooks is called as ever."""

    def test_put_over_for_a_while(self, run: Callable[..., Ended]) -> None:
        """As shells do that have an ``excepthook`` of their own and give it back."""
        program = """
            import sys, threading
            class Shell:
                def __enter__(self):
                    self.kept = sys.excepthook, threading.excepthook
                    sys.excepthook = self.show
                    threading.excepthook = lambda args: self.show(*args)
                def __exit__(self, *_):
                    sys.excepthook, threading.excepthook = self.kept
                def show(self, kind, error, *_):
                    print("shell shows", error)
            def fail():
                raise LookupError("in a thread")
            def in_thread():
                thread = threading.Thread(target=fail)
                thread.start()
                thread.join()
            with Shell():
                in_thread()
            in_thread()
            bcd.flush()
            raise LookupError("at last")
        """
        ended = run(ALL, program)
        assert (ended.status, ended.stdout) == (1, "shell shows in a thread\n")
        assert ended.hooks == ["threading", "excepthook"]

    def test_custom_hook_from_before(self, run: Callable[..., Ended]) -> None:
        """It gets the same three values, after the trace was started."""
        theirs = (
            "import sys; sys.excepthook = lambda kind, error, traceback: print("
            "kind.__name__, error, traceback is error.__traceback__, traceback.tb_lineno)"
        )
        program = "\nraise LookupError('custom')"
        plain = run(theirs, program)
        traced = run(f"{theirs}; {ALL}", program)
        assert plain.stdout == "LookupError custom True 3\n"
        assert traced.visible == plain.visible
        assert traced.hooks == ["excepthook"]

    def test_reset_to_pythons_own(self, run: Callable[..., Ended]) -> None:
        """Whoever sets ``sys.__excepthook__`` has it; ``init`` again has bcd's again."""
        program = """
            import sys, threading
            sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
            if {again}:
                bcd.init()
            raise LookupError("reset")
        """
        assert run(ALL, program.format(again=False)).hooks == []
        assert run(ALL, program.format(again=True)).hooks == ["excepthook"]

    def test_uninstalled_within_each_other(self, run: Callable[..., Ended]) -> None:
        """In whatever order; each error goes to the newest, and in the end all is restored."""
        program = """
            import itertools, sys, threading
            from bcd.integrations import hooks
            def standing():
                return sys.excepthook, threading.excepthook, sys.unraisablehook
            before = standing()
            points = ["excepthook", "threading", "unraisable"]
            for order in itertools.permutations(range(3)):
                handles = [hooks.install(points=points[:n + 1]) for n in range(3)]
                for number in order:
                    assert standing() != before
                    handles[number].uninstall()
                assert standing() == before
        """
        assert run("import bcd", program).visible == (0, "", "")

    def test_hook_that_fails(self, run: Callable[..., Ended]) -> None:
        """One of the program's own that raises does so as without bcd."""
        theirs = "import sys; sys.excepthook = lambda *_: 1 / 0"
        program = "\nraise LookupError('first')"
        plain, traced = run(theirs, program), run(f"{theirs}; {ALL}", program)
        assert traced.status == plain.status == 1
        assert "Error in sys.excepthook:" in traced.stderr
        assert traced.stderr.endswith("\nLookupError: first\n")
        assert traced.hooks == ["excepthook"]


class TestEnds:
    """Ctrl-C and SIGTERM while a slow tracer runs: the end is that without bcd (trap 16)."""

    PROGRAM = """
        import os, signal, sys, threading
        def send():
            os.close(os.open({started!r}, os.O_RDONLY))
            os.kill(os.getpid(), signal.{signal})
        def fail():
            raise LookupError("failed")
        {prepare}
        threading.Thread(target=send, daemon=True).start() if "bcd" in sys.modules else None
        {act}
    """

    @pytest.mark.parametrize(
        ("signal", "prepare", "status"),
        [
            ("SIGINT", "", 1),
            ("SIGTERM", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))", 7),
        ],
    )
    def test_while_the_main_thread_fails(
        self,
        run: Callable[..., Ended],
        slow: RecordingProgram,
        signal: str,
        prepare: str,
        status: int,
    ) -> None:
        """The error is printed, the exit status that of the signal's handler."""
        started = slow.fifo("started")
        slow.do(f"tell {started}", "sleep 300")
        program = self.PROGRAM.format(started=started, signal=signal, prepare=prepare, act="fail()")
        plain = run("", program)
        traced = run(ALL.replace("30.0", "0.0"), program, BCD_TRACER=slow.path)
        assert plain.stderr == traced.stderr.replace(ALL.replace("30.0", "0.0"), "")
        assert (plain.status, traced.status) == (1, status)

    def test_while_a_thread_fails(self, run: Callable[..., Ended], slow: RecordingProgram) -> None:
        """The main thread gets its Ctrl-C at once, though another one waits for a tracer."""
        started = slow.fifo("started")
        slow.do(f"tell {started}", "sleep 300")
        act = "threading.Thread(target=fail, daemon=True).start(); signal.pause()"
        program = self.PROGRAM.format(started=started, signal="SIGINT", prepare="", act=act)
        traced = run(ALL.replace("30.0", "0.0"), program, BCD_TRACER=slow.path)
        assert traced.status == -2
        assert traced.stderr.endswith("KeyboardInterrupt\n")


class TestOtherLoops:
    """Under the Python of the tests, whose libraries they are (trap 15)."""

    @pytest.mark.parametrize("library", ["gevent", "eventlet"])
    def test_threads_that_are_greenlets(self, tmp_path: Path, library: str) -> None:
        """A patched thread is traced; what a bare greenlet raises its library prints itself."""
        need(library)
        patch = {
            "gevent": "import gevent.monkey; gevent.monkey.patch_all(); spawn = gevent.spawn",
            "eventlet": "import eventlet; eventlet.monkey_patch(); spawn = eventlet.spawn",
        }[library]
        program = f"""
            {patch}
            {ALL}
            import threading, time
            def fail(where):
                raise LookupError(where)
            thread = threading.Thread(target=fail, args=("in a thread",))
            thread.start()
            thread.join()
            bcd.flush()
            spawn(fail, "in a greenlet")
            time.sleep(0.01)
        """
        ended = run_program(tmp_path, "import warnings; warnings.simplefilter('ignore')", program)
        assert ended.status == 0
        assert "in a thread" in ended.stderr
        assert ended.said("exception.message") == ["in a thread"]

    def test_uvloop_reports_as_asyncio_does(self, tmp_path: Path) -> None:
        """And logs it after that, which is the same error."""
        need("uvloop")
        program = """
            import asyncio, gc, uvloop
            async def fail():
                raise LookupError("in a task")
            async def main():
                task = asyncio.ensure_future(fail())
                await asyncio.wait([task])
                del task
                gc.collect()
            asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
            bcd.flush()
            asyncio.run(main())
        """
        ended = run_program(tmp_path, LOGGED, program)
        assert ended.said("log.logger") == [None, None]
        assert ended.hooks == ["asyncio", "asyncio"]
        assert ended.said("bcd.suppressed") == ["0", "0"]

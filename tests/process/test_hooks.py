"""Errors that reach the top of a real process: traced, and the process ends as without bcd."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import pytest

from bcd.snapshot.limits import DEFAULTS
from tests.process.ended import Ended, run_program
from tests.recording import RecordingProgram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Ended]:
    """Runs a program with ``setup`` as its beginning, and waits for its traces."""
    return partial(run_program, tmp_path)


FLUSH = "import atexit, bcd; atexit.register(bcd.flush, 30.0); "
INIT = FLUSH + "bcd.init(config=bcd.GlobalConfig(rate_limit=0))"
ALL = FLUSH + (
    "bcd.init(config=bcd.GlobalConfig(rate_limit=0), "
    "hooks=['excepthook', 'threading', 'asyncio', 'unraisable'])"
)

MAIN = """
    def fail(order):
        raise LookupError(f"no order {order}")
    print("before")
    fail(5)
"""
THREAD = """
    import threading
    def fail():
        raise LookupError("in a thread")
    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    print("after")
"""
TASK = """
    import asyncio, gc
    async def fail():
        raise LookupError("in a task")
    async def main():
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task
        gc.collect()
    asyncio.run(main())
    print("after")
"""
CALLBACK = """
    import asyncio
    def fail():
        raise LookupError("in a callback")
    async def main():
        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    asyncio.run(main())
"""
DELETED = """
    class Odd:
        def __del__(self):
            raise LookupError("while deleted")
    odd = Odd()
    del odd
    print("after")
"""


@pytest.mark.parametrize(
    ("program", "hook", "thread"),
    [
        (MAIN, "excepthook", "MainThread"),
        (THREAD, "threading", "worker"),
        (TASK, "asyncio", "MainThread"),
        (CALLBACK, "asyncio", "MainThread"),
        (DELETED, "unraisable", "MainThread"),
    ],
)
def test_traced_and_nothing_else_changed(
    run: Callable[..., Ended], program: str, hook: str, thread: str
) -> None:
    """Output and exit status are to the byte what they are without bcd."""
    plain, traced = run("", program), run(ALL, program)
    assert "LookupError" in plain.stderr
    # The address of an object may stand in it.
    assert _without_addresses(traced) == _without_addresses(plain)
    (snapshot,) = traced.snapshots
    assert snapshot.attributes["bcd.integration"] == "hooks"
    assert snapshot.attributes["bcd.hook"] == hook
    assert snapshot.attributes["thread.name"] == thread
    assert snapshot.attributes["exception.type"] == "LookupError"
    assert snapshot.exception is not None


def _without_addresses(ended: Ended) -> tuple[int, str, str]:
    status, stdout, stderr = ended.visible
    return (status, stdout, re.sub(r"0x[0-9a-f]+", "0x", stderr))


def test_what_cannot_be_raised_is_opt_in(run: Callable[..., Ended]) -> None:
    """Many programs have errors in ``__del__`` that nobody minds."""
    assert run(INIT, DELETED).snapshots == []


@pytest.mark.parametrize("ending", ["raise SystemExit(3)", "raise KeyboardInterrupt", "exit('x')"])
def test_an_end_is_no_error(run: Callable[..., Ended], ending: str) -> None:
    """Exit and Ctrl-C are never traced, and end the program as they do."""
    traced = run(ALL, ending)
    assert traced.visible == run("", ending).visible
    assert traced.snapshots == []


def test_an_end_of_a_thread_is_no_error(run: Callable[..., Ended]) -> None:
    """``threading.excepthook`` is called for SystemExit too."""
    program = THREAD.replace('LookupError("in a thread")', "SystemExit(3)")
    traced = run(ALL, program)
    assert traced.visible == run("", program).visible
    assert traced.snapshots == []


def test_asyncio_is_not_imported_for_it(run: Callable[..., Ended]) -> None:
    """It takes 50 ms, which a program without it is not to pay."""
    ended = run(INIT, "import sys\nprint('asyncio' in sys.modules)")
    assert ended.stdout == "False\n"


def test_asyncio_that_is_there_already(run: Callable[..., Ended]) -> None:
    """The order of imports makes no difference."""
    assert run("import asyncio; " + INIT, TASK).hooks == ["asyncio"]


def test_asyncio_keeps_its_loader(run: Callable[..., Ended]) -> None:
    """Who looks at the module finds nothing of bcd."""
    program = """
        import asyncio.base_events as module
        print(type(module.__loader__).__name__, type(module.__spec__.loader).__name__)
    """
    assert run(INIT, program).visible == (0, "SourceFileLoader SourceFileLoader\n", "")


def test_asyncio_that_is_reloaded(run: Callable[..., Ended]) -> None:
    """Its class is another one then, and has the hook too."""
    program = """
        import asyncio.base_events as module, importlib
        before = module.BaseEventLoop
        importlib.reload(module)
        print(module.BaseEventLoop is before)
        print(module.BaseEventLoop.call_exception_handler.__wrapped__.__qualname__)
    """
    said = "False\nBaseEventLoop.call_exception_handler\n"
    assert run(INIT, program).visible == (0, said, "")


def test_uninstalled_before_asyncio_is_imported(run: Callable[..., Ended]) -> None:
    """Nothing of bcd waits for it any more."""
    program = """
        import sys
        print([finder for finder in sys.meta_path if "bcd.integrations" in repr(finder)])
        import asyncio
        print(asyncio.BaseEventLoop.call_exception_handler.__code__.co_filename[-22:])
    """
    ended = run("from bcd.integrations import hooks; hooks.install().uninstall()", program)
    assert ended.visible == (0, "[]\nasyncio/base_events.py\n", "")


def test_a_handler_of_the_loop_is_called_as_before(run: Callable[..., Ended]) -> None:
    """The error is traced all the same."""
    program = TASK.replace(
        "task = asyncio.ensure_future",
        "asyncio.get_running_loop().set_exception_handler(\n"
        "            lambda loop, context: print('handled', context['exception']))\n"
        "        task = asyncio.ensure_future",
    )
    traced = run(INIT, program)
    assert traced.visible == (0, "handled in a task\nafter\n", "")
    assert traced.hooks == ["asyncio"]


def test_what_was_counted_is_told_at_the_end(run: Callable[..., Ended]) -> None:
    """In one line, also where no further error comes that could bring it."""
    program = """
        import bcd
        print(*(bcd.capture(ValueError(number)) for number in range(5)))
    """
    ended = run("import bcd; bcd.init()", program)
    assert ended.stdout == "traced counted counted counted counted\n"
    (line,) = ended.stderr.splitlines()
    assert line.endswith("4 errors (4 ValueError) were counted, and no snapshot tells of them")


UVLOOP = """
    import asyncio, gc, uvloop
    from bcd.integrations import hooks
    async def fail():
        raise LookupError("in a task")
    async def main():
        handle = hooks.install_loop(asyncio.get_running_loop()) if WATCHED else None
        task = asyncio.ensure_future(fail())
        await asyncio.wait([task])
        del task
        gc.collect()
        if handle:
            handle.uninstall()
            assert "call_exception_handler" not in vars(asyncio.get_running_loop())
    asyncio.Runner(loop_factory=uvloop.new_event_loop).run(main())
"""


def test_a_loop_of_another_make(run: Callable[..., Ended]) -> None:
    """That of uvloop is no subclass; ``install_loop`` has it traced and can be taken back."""
    quiet = INIT.replace("rate_limit=0)", "rate_limit=0), hooks=()") + "; WATCHED = 1"
    plain, traced = run("WATCHED = 0", UVLOOP), run(quiet, UVLOOP)
    assert traced.stderr.replace("WATCHED = 1", "") == plain.stderr.replace("WATCHED = 0", "")
    assert "Task exception was never retrieved" in plain.stderr
    assert traced.hooks == ["asyncio"]


@pytest.mark.parametrize("watched", [0, 1])
@pytest.mark.parametrize("order", ["{}; import uvloop", "import uvloop; {}"])
def test_the_loops_of_uvloop(run: Callable[..., Ended], order: str, watched: int) -> None:
    """``init`` knows them, and has one error traced once, with ``install_loop`` too."""
    plain = run("WATCHED = 0", UVLOOP)
    traced = run(order.format(INIT) + f"; WATCHED = {watched}", UVLOOP)
    assert traced.status == plain.status == 0
    assert traced.hooks == ["asyncio"]


@pytest.mark.parametrize("order", ["{theirs}; {ours}", "{ours}; {theirs}"])
def test_other_hooks_stay(run: Callable[..., Ended], order: str) -> None:
    """One that was there before is called, and so is one that was put over bcd's."""
    theirs = (
        "import sys; theirs = sys.excepthook; "
        "sys.excepthook = lambda *a: (print('theirs'), theirs(*a))"
    )
    ended = run(order.format(theirs=theirs, ours=INIT), MAIN)
    assert ended.stdout == "before\ntheirs\n"
    assert ended.stderr.endswith("LookupError: no order 5\n")
    assert ended.hooks == ["excepthook"]


def test_a_program_with_a_tracer_that_cannot_freeze(
    run: Callable[..., Ended], tmp_path: Path
) -> None:
    """The event loop goes on while that tracer runs, and the tracer completes."""
    program = RecordingProgram(tmp_path)
    fifo = program.fifo()
    program.do(f"wait {fifo}")
    task = TASK.replace(
        'print("after")', f"import os; os.close(os.open({fifo!r}, os.O_WRONLY)); print('after')"
    )
    ended = run(INIT, task, BCD_TRACER=program.path)
    assert (ended.status, ended.stdout) == (0, "after\n")
    (one,) = program.runs()
    assert "bcd.hook:asyncio" in one.argv
    assert one.ended is not None


def test_environment_alone(run: Callable[..., Ended]) -> None:
    """Without ``init``: what the operator set holds for hooks that the program installed."""
    setup = FLUSH + "from bcd.integrations import hooks; hooks.install()"
    ended = run(setup, MAIN, BCD_SERVICE="shop", BCD_LIMITS="frames=many")
    (snapshot,) = ended.snapshots
    assert snapshot.attributes["service.name"] == "shop"
    assert ended.stderr.count("[bcd]") == 1
    assert "BCD_LIMITS is 'frames=many'; " in ended.stderr


@pytest.mark.parametrize("setup", ["from bcd.integrations import hooks; hooks.install()", INIT])
def test_limits_of_the_environment(run: Callable[..., Ended], setup: str) -> None:
    """What ``BCD_LIMITS`` says holds for the tracer: the snapshot names it, and keeps to it."""
    ended = run(FLUSH + setup, MAIN, BCD_LIMITS="message=10,variables=1")
    (snapshot,) = ended.snapshots
    limits = snapshot.tracer.limits
    assert (limits["message"], limits["variables"], limits["depth"]) == (10, 1, DEFAULTS["depth"])
    assert snapshot.exception is not None
    (error,) = snapshot.exception.list
    assert error.message == "no order 5"
    assert [len(frame.locals) for frame in error.frames] == [1, 1]
    assert "fail: the first 1 variables" not in snapshot.truncated
    assert "<module>: the first 1 variables" in snapshot.truncated


@pytest.mark.parametrize(
    ("lock", "moment"),
    [
        ("bcd.startup._Installed.lock", "after_in_parent"),  # held during the fork
        ("bcd.integrations._points.CHANGES", "before"),  # the fork waits for it
    ],
)
def test_no_lock_stays_locked_in_a_child(run: Callable[..., Ended], lock: str, moment: str) -> None:
    """Also not for another thread of the child (rule 24)."""
    program = f"""
        import os, threading, bcd.integrations._points, bcd.startup
        bcd.init()
        held, forking = threading.Event(), threading.Event()
        def hold():
            with {lock}:
                held.set()
                forking.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        os.register_at_fork({moment}=forking.set)
        child = os.fork()
        if not child:
            inits = threading.Thread(target=bcd.init, daemon=True)
            inits.start()
            inits.join(20)
            os._exit(inits.is_alive())
        thread.join()
        print(os.waitpid(child, 0)[1])
    """
    assert run("", program).visible == (0, "0\n", "")


def test_a_forked_child_has_hooks_and_settings(run: Callable[..., Ended]) -> None:
    """And may call ``init`` itself, whatever another thread of its parent did."""
    program = """
        import os, threading, bcd
        bcd.init()  # Python itself loses a module that is being imported during a fork
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                bcd.init(service="parent", config=bcd.GlobalConfig(rate_limit=0))
        thread = threading.Thread(target=busy)
        thread.start()
        for number in range(20):
            child = os.fork()
            if not child:
                bcd.init(service="child", config=bcd.GlobalConfig(rate_limit=0))
                if number == 19:
                    raise LookupError("in the child")
                os._exit(0)
            os.waitpid(child, 0)
        stop.set()
        thread.join()
    """
    ended = run(FLUSH, program)
    assert ended.status == 0
    (snapshot,) = ended.snapshots
    assert snapshot.attributes["service.name"] == "child"


class TestSignals:
    """The hook ``signals`` registers the default tracer."""

    def test_a_signal_is_traced(self, run: Callable[..., Ended], tmp_path: Path) -> None:
        """The program goes on; ``resend_signal`` is that of the same call (rule 29)."""
        tracer = RecordingProgram(tmp_path)
        fifo = tracer.fifo()
        tracer.do(f"tell {fifo}")
        program = f"""
            import os, signal
            os.kill(os.getpid(), signal.SIGABRT)
            os.close(os.open({fifo!r}, os.O_RDONLY))
            print("goes on")
        """
        setup = "import bcd; bcd.init(service='shop', config=bcd.GlobalConfig(resend_signal=False))"
        environ = {
            "BCD_HOOKS": "signals",
            "BCD_TRACER": tracer.path,
            "BCD_RESEND_SIGNAL": "1",
        }
        assert run(setup, program, **environ).visible == (0, "goes on\n", "")
        (one,) = tracer.runs()
        assert {"bcd.SignalError", "error:aborted", "service.name:shop"} <= set(one.argv)

    def test_again_without_it(self, run: Callable[..., Ended]) -> None:
        """What stood before is restored, and with the same tracer it is not lost."""
        program = """
            import bcd, signal
            before = signal.getsignal(signal.SIGINT)
            mine = bcd.PythonTracer()
            for tracer in (mine, mine, None):
                bcd.init(hooks=["signals"], tracer=tracer)
                assert signal.getsignal(signal.SIGINT) is not before
            bcd.init()
            assert signal.getsignal(signal.SIGINT) is before
        """
        assert run("", program).visible == (0, "", "")

    def test_outside_the_main_thread(self, run: Callable[..., Ended]) -> None:
        """A clear error that changes nothing."""
        program = """
            import bcd, sys, threading
            from bcd.config import current_config
            from bcd.settings import current_settings
            bcd.init(release="1", hooks=())
            before = (current_config(), current_settings(), sys.excepthook)
            def work():
                try:
                    bcd.init(hooks=["signals"], config=bcd.GlobalConfig(rate_limit=9))
                except bcd.ConfigError as error:
                    print(error)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            assert before == (current_config(), current_settings(), sys.excepthook)
        """
        ended = run("", program)
        assert (ended.status, ended.stderr) == (0, "")
        assert "main thread" in ended.stdout

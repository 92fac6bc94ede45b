"""Errors that real programs log: traced once, and the programs go on as without bcd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.libraries import need
from tests.process.ended import Ended, run_program
from tests.recording import RecordingProgram

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLUSH = "import atexit, bcd; atexit.register(bcd.flush, 30.0); "
HOOK = FLUSH + "bcd.init(hooks=['excepthook', 'logging'], config=bcd.GlobalConfig(rate_limit=0))"
HANDLER = FLUSH + (
    "bcd.init(config=bcd.GlobalConfig(rate_limit=0)); "
    "import logging; from bcd.integrations.logging import BcdHandler"
)

NO_WARNINGS = "; import warnings; warnings.simplefilter('ignore')"  # of forks beside threads


HANDLED = """
    import logging
    {setup}
    log = logging.getLogger("shop.orders")
    def order(number):
        raise LookupError(f"no order {{number}}")
    def handle(number):
        try:
            order(number)
        except LookupError:
            log.exception("order %d failed", number)
    handle(5)
    log.warning("all the same")
    print("goes on")
"""


@pytest.mark.parametrize(
    ("ours", "setup", "added"),
    [
        (HOOK, "", ""),  # logging prints by itself
        (HOOK, "logging.basicConfig(format='%(name)s %(message)s')", ""),
        (
            HANDLER,
            "logging.basicConfig(format='%(name)s %(message)s')",
            "logging.getLogger().addHandler(BcdHandler())",
        ),
    ],
)
def test_traced_and_nothing_else_changed(
    run: Callable[..., Ended], ours: str, setup: str, added: str
) -> None:
    """What the program logs is to the byte what it is without bcd; the snapshot has the frames."""
    plain = run("", HANDLED.format(setup=setup))
    traced = run(ours, HANDLED.format(setup=f"{setup}; {added}".strip("; ")))
    assert "order 5 failed\nTraceback" in plain.stderr
    assert traced.visible == plain.visible
    (snapshot,) = traced.snapshots
    said = snapshot.attributes
    assert (said["log.logger"], said["log.level"]) == ("shop.orders", "ERROR")
    assert said["log.message"] == "order 5 failed"
    assert said["code.function.name"] == "__main__.order"
    assert snapshot.exception is not None
    frames = snapshot.exception.list[snapshot.exception.root].frames
    assert [frame.function for frame in frames] == ["handle", "order"]
    assert [variable.value for variable in frames[-1].locals] == ["5"]
    (faulted,) = [thread for thread in snapshot.threads if thread.faulted]
    assert faulted.name == "MainThread"


def test_logged_and_raised_to_the_top(run: Callable[..., Ended]) -> None:
    """One snapshot, and nothing that was counted twice."""
    program = """
        import logging, sys, threading, bcd
        log = logging.getLogger("shop")
        ERROR = LookupError("the same object each time")
        def work():
            try:
                raise ERROR
            except LookupError:
                log.exception("failed")
                bcd.flush()
                raise
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        work()
    """
    setup = HOOK.replace("'excepthook'", "'excepthook', 'threading'")
    ended = run(setup, program)
    assert ended.status == 1
    assert ended.said("bcd.hook") == ["logging", "logging"]
    assert ended.said("bcd.suppressed") == ["0", "0"]


def test_at_fork(run: Callable[..., Ended]) -> None:
    """Hooks that log errors around a fork, while another thread logs too (trap 1)."""
    program = """
        import logging, os, sys, threading, bcd
        log = logging.getLogger()
        log.addHandler(logging.NullHandler())
        log.addHandler(BcdHandler())
        def failing(moment):
            def hook():
                if armed:
                    log.error("%s", moment, exc_info=LookupError(moment))
                    bcd.flush()
            return hook
        armed = False
        os.register_at_fork(
            before=failing("before"),
            after_in_parent=failing("in the parent"),
            after_in_child=failing("in the child"),
        )
        stop = threading.Event()
        def busy():
            while not stop.is_set():
                log.error("no error", exc_info=SystemExit())
        thread = threading.Thread(target=busy)
        thread.start()
        for number in range(20):
            armed = number == 19
            child = os.fork()
            if not child:
                log.error("alive", exc_info=SystemExit())
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        thread.join()
    """
    ended = run(HANDLER + NO_WARNINGS, program)
    assert ended.visible == (0, "", "")
    assert sorted(map(str, ended.said("log.message"))) == [
        "before",
        "in the child",
        "in the parent",
    ]
    pids = [snapshot.process.pid for snapshot in ended.snapshots]
    assert len(set(pids)) == 2


def test_children_that_end_without_a_word(run: Callable[..., Ended]) -> None:
    """Each error of a worker that ends after one task has its snapshot (trap 2)."""
    program = """
        import logging, multiprocessing, os
        logging.getLogger().addHandler(BcdHandler())
        def work(number):
            logging.error("task %d", number, exc_info=LookupError(number))
            return os.getpid()
        if __name__ == "__main__":
            pool = multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1)
            print(len(set(pool.map(work, range(3), chunksize=1))))
            pool.close()
            pool.join()
    """
    ended = run(HANDLER + NO_WARNINGS, program)
    assert ended.visible == (0, "3\n", "")
    assert sorted(map(str, ended.said("log.message"))) == ["task 0", "task 1", "task 2"]
    assert len({snapshot.process.pid for snapshot in ended.snapshots}) == 3


def test_at_the_end_of_the_interpreter(run: Callable[..., Ended]) -> None:
    """In ``atexit``, where no thread can be started any more, and when modules go (trap 4)."""
    program = """
        import atexit, logging, sys
        {add}
        class Last:
            def __init__(self):
                self.log, self.error = logging.getLogger("last"), LookupError("at last")
            def __del__(self):
                self.log.error("in __del__", exc_info=self.error)
        kept = sys.last = Last()
        @atexit.register
        def leave():
            try:
                raise LookupError("in atexit")
            except LookupError:
                logging.getLogger("leaving").exception("in atexit")
            logging.shutdown()
            logging.getLogger("leaving").error("after shutdown", exc_info=SystemExit())
        print("done")
    """
    plain = run("", program.format(add="logging.basicConfig()"))
    add = "logging.basicConfig(); logging.getLogger().addHandler(BcdHandler())"
    ended = run(HANDLER, program.format(add=add))
    assert ended.visible == plain.visible
    assert ended.said("log.message")[0] == "in atexit"


def test_signal_handler_that_logs(run: Callable[..., Ended]) -> None:
    """In the middle of a trace it finds the slot taken, and nothing waits for itself (trap 13)."""
    program = """
        import logging, os, signal, bcd
        def handle(*_):
            logging.error("in the handler", exc_info=KeyError("signal"))
        def before(error, attributes):
            os.kill(os.getpid(), signal.SIGUSR1)
            return attributes
        signal.signal(signal.SIGUSR1, handle)
        logging.getLogger().addHandler(BcdHandler(before_trace=before))
        logging.error("outside", exc_info=LookupError("outside"))
        bcd.flush()
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        logging.error("outside", exc_info=KeyError("outside"))
    """
    ended = run(HANDLER, program)
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.said("exception.type") == ["LookupError", "KeyError"]
    assert ended.said("bcd.suppressed") == ["0", "1"]


@pytest.mark.parametrize("alive", [True, False])
def test_listener_that_gets_the_error(run: Callable[..., Ended], alive: bool) -> None:  # noqa: FBT001
    """The thread that logged is in trouble, not the one that traces; nobody if it has ended."""
    program = f"""
        import logging, logging.handlers, queue, threading
        class Keeping(logging.handlers.QueueHandler):
            def prepare(self, record):
                return record
        passed = queue.SimpleQueue()
        log = logging.getLogger("shop")
        log.addHandler(Keeping(passed))
        end = threading.Event()
        def work():
            log.error("failed", exc_info=LookupError("in a thread"))
            if {alive}:
                end.wait()
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        if not {alive}:
            thread.join()
        behind = logging.handlers.QueueListener(passed, BcdHandler())
        behind.start()
        behind.stop()
        end.set()
    """
    ended = run(HANDLER, program)
    assert ended.visible == (0, "", "")
    (snapshot,) = ended.snapshots
    faulted = [thread.name for thread in snapshot.threads if thread.faulted]
    assert faulted == (["worker"] if alive else [])
    assert len(snapshot.threads) >= 2


def test_keeps_nothing_alive(run: Callable[..., Ended]) -> None:
    """Once an error is handled its frames are gone, also those of a request (trap 14)."""
    program = """
        import gc, logging, weakref
        from bcd.integrations.wsgi import BcdMiddleware
        logging.getLogger("shop").addHandler(BcdHandler())
        class Cart:
            pass
        seen = []
        def app(environ, start_response):
            cart = Cart()
            seen.append(weakref.ref(cart))
            try:
                raise LookupError("in a request")
            except LookupError:
                logging.getLogger("shop").exception("failed")
                if environ:
                    raise
            return []
        gc.disable()
        for served in (app, BcdMiddleware(app)):
            for environ in ({}, {"PATH_INFO": "/"}):
                try:
                    served(environ, None)
                except LookupError:
                    pass
                bcd.flush()
        print([reference() for reference in seen])
    """
    ended = run(HANDLER, program)
    assert (ended.status, ended.stdout) == (0, "[None, None, None, None]\n")
    assert ended.said("url.path") == [None, None, "", "/"]


SLOW = """
    import asyncio, logging, os, sys, threading
    {ours}
    log = logging.getLogger("shop")
    def let_go():
        os.close(os.open({fifo!r}, os.O_WRONLY))
"""


def test_other_threads_log_meanwhile(run: Callable[..., Ended], tmp_path: Path) -> None:
    """A tracer that its caller has to wait for holds up that caller alone (trap 13)."""
    tracer = RecordingProgram(tmp_path)
    fifo, started = tracer.fifo(), tracer.fifo("started")
    tracer.do(f"tell {started}", f"wait {fifo}")
    program = (
        SLOW
        + """
    def work():
        log.error("slow", exc_info=LookupError("slow"))
        print("traced")
    thread = threading.Thread(target=work)
    thread.start()
    os.close(os.open({started!r}, os.O_RDONLY))
    for number in range(100):
        log.error("meanwhile", exc_info=KeyError(number))
    print("logged", flush=True)
    let_go()
    thread.join()
    """
    )
    ours = "logging.getLogger().addHandler(BcdHandler())"
    ended = run(
        HANDLER, program.format(ours=ours, fifo=fifo, started=started), BCD_TRACER=tracer.path
    )
    assert (ended.status, ended.stdout) == (0, "logged\ntraced\n")
    (line,) = ended.stderr.splitlines()
    assert line.endswith("100 errors (100 KeyError) were counted, and no snapshot tells of them")
    (one,) = tracer.runs()
    assert "log.message:slow" in one.argv


def test_event_loop_goes_on(run: Callable[..., Ended], tmp_path: Path) -> None:
    """Such a tracer does not hold up a loop, and the end of the program waits for it (trap 9)."""
    tracer = RecordingProgram(tmp_path)
    fifo = tracer.fifo()
    tracer.do(f"wait {fifo}")
    program = (
        SLOW
        + """
    async def main():
        try:
            raise LookupError("in a task")
        except LookupError:
            log.exception("failed")
        await asyncio.sleep(0)
        print("goes on", flush=True)
        let_go()
    asyncio.run(main())
    """
    )
    ours = "logging.getLogger().addHandler(BcdHandler())"
    ended = run(HANDLER, program.format(ours=ours, fifo=fifo), BCD_TRACER=tracer.path)
    assert ended.visible == (0, "goes on\n", "")
    (one,) = tracer.runs()
    assert one.ended is not None


@pytest.mark.parametrize(
    ("signal", "status", "said"),
    [
        ("SIGINT", 0, "interrupted\n"),
        ("SIGTERM", -15, ""),
    ],
)
def test_ended_while_a_slow_tracer_runs(
    run: Callable[..., Ended], slow: RecordingProgram, signal: str, status: int, said: str
) -> None:
    """Ctrl-C and SIGTERM reach the program in the middle of its log call, at once (trap 16)."""
    started = slow.fifo("started")
    slow.do(f"tell {started}", "sleep 300")
    program = (
        SLOW
        + """
    import signal
    def send():
        os.close(os.open({started!r}, os.O_RDONLY))
        os.kill(os.getpid(), signal.{signal})
    threading.Thread(target=send, daemon=True).start()
    try:
        log.error("failed", exc_info=LookupError("failed"))
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    """
    )
    ours = "logging.getLogger().addHandler(BcdHandler())"
    text = program.format(ours=ours, fifo="", started=started, signal=signal)
    ended = run(HANDLER.replace("30.0", "0.0"), text, BCD_TRACER=slow.path)
    assert ended.visible == (status, said, "")


class TestGreenlets:
    """Programs whose threads are greenlets (trap 15); under the Python of the tests."""

    PROGRAM = """
        import {library}
        {patch}
        import logging, threading, bcd
        logging.getLogger().addHandler(BcdHandler())
        def work(number):
            logging.error("greenlet %d", number, exc_info=LookupError(number))
            bcd.flush()
        for number in range(2):
            thread = threading.Thread(target=work, args=(number,))
            thread.start()
            thread.join()
        print("done")
    """

    @pytest.mark.parametrize(
        ("library", "patch"),
        [
            ("gevent.monkey", "gevent.monkey.patch_all()"),
            ("eventlet", "eventlet.monkey_patch()"),
        ],
    )
    def test_in_greenlets(self, tmp_path: Path, library: str, patch: str) -> None:
        """Each error is traced in its own greenlet's name."""
        need(library.partition(".")[0])
        program = self.PROGRAM.format(library=library, patch=patch)
        ended = run_program(
            tmp_path,
            NO_WARNINGS.strip("; "),
            program.replace("import logging", f"{HANDLER}; import logging"),
        )
        assert (ended.status, ended.stdout) == (0, "done\n"), ended.stderr
        assert ended.said("log.message") == ["greenlet 0", "greenlet 1"]
        for snapshot in ended.snapshots:
            assert [thread.faulted for thread in snapshot.threads].count(True) == 1

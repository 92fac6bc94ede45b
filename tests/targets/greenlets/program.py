"""A program of greenlets that traces itself.

Usage: program.py LIBRARY WHEN SCENARIO FOLDER
LIBRARY is gevent or eventlet, monkey-patched before or after bcd was imported, or never. Prints
one JSON object.

Nothing here waits for an amount of time to show that something goes on meanwhile: the tracer
waits for a greenlet of this program, which can only run if nobody holds the thread.
"""

import _thread
import importlib
import io
import json
import os
import sys
import time

LIBRARY, WHEN, SCENARIO, FOLDER = sys.argv[1:]
FIFO = os.path.join(FOLDER, "fifo")
LONG = 20.0  # seconds that are not reached where all is well


def patch():
    if LIBRARY == "gevent":
        importlib.import_module("gevent.monkey").patch_all()
    else:
        importlib.import_module("eventlet").monkey_patch()


real_sleep = time.sleep
if WHEN == "before":
    patch()

import bcd
from bcd import _greenlets
from bcd.engine import flush, trace
from bcd.engine.attempt import GATE
from bcd.tracer import Command, LogPriority

if WHEN == "after":
    patch()
library = importlib.import_module(LIBRARY)
spawn, sleep = library.spawn, library.sleep


def join(greenlet):
    return greenlet.get() if LIBRARY == "gevent" else greenlet.wait()


class ShellTracer(bcd.PythonTracer):
    """Runs a program of the shell, not on frozen memory."""

    finalize_memory = property()  # hasattr is to be false

    def __init__(self, script):
        super().__init__(folder=FOLDER)
        self.script = script

    def finalize(self, options):
        return Command(argv=["/bin/sh", "-c", self.script])

    def logf(self, level, format, *args):
        pass


quick = ShellTracer("echo done; exit 3")
waits = ShellTracer(f"read line < {FIFO}; echo $line")
endless = ShellTracer("exec sleep 1000")


def told(result):
    return {
        "error": type(result.error).__name__,
        "said": str(result.error),
        "stdout": result.stdout.decode(),
        "status": result.exit_status,
    }


def options(seconds=LONG):
    return bcd.TraceOptions(timeout=seconds)


def let_go():
    """Let the tracer end once it waits."""
    while True:
        try:
            end = os.open(FIFO, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody has opened it to read
            sleep(0.001)
        else:
            break
    os.write(end, b"go\n")
    os.close(end)


def count(until):
    turns = 0
    while not until():
        sleep(0.001)
        turns += 1
    return turns


def waited_for():
    helper = spawn(let_go)
    result = trace(waits, None, options(LONG if WHEN != "never" else 0.5))
    if result.ok:
        join(helper)
    return {**told(result), "limitation": _greenlets.limitation()}


def set_up():
    """``init`` says what it has to say on stderr."""
    sleep(0)  # now there is a hub
    sys.stderr = io.StringIO()
    bcd.init(folder=FOLDER)
    return sys.stderr.getvalue()


def in_background():
    """A greenlet lets the tracer go while another flushes."""
    result = trace(waits, None, options(), detach=True)
    helper = spawn(let_go)
    if WHEN == "never":
        join(helper)
    return {"flushed": flush(LONG), "queue": len(GATE.queue), **told(result)}


def without_turns():
    """Whoever keeps the thread does not keep a trace in the background from its end."""
    result = trace(quick, None, options(), detach=True)
    while GATE.queue:
        real_sleep(0.001)
    return told(result)


def together():
    """Two greenlets of one thread trace at once; each has to wait for the other."""
    bcd.update_config(bcd.GlobalConfig(rate_limit=0))
    tracers = [spawn(trace, waits, None, options()) for _ in range(2)]
    helpers = [spawn(let_go), None]
    first = join(tracers[0])
    helpers[1] = spawn(let_go)
    second = join(tracers[1])
    for helper in helpers:
        join(helper)
    return [told(first), told(second)]


def limited():
    """One greenlet waits for the end of the rate limit, another goes on."""
    bcd.update_config(bcd.GlobalConfig(rate_limit=1000))
    first = trace(quick, None, options())
    second = spawn(trace, quick, None, options(0.5))
    over = (lambda: second.ready()) if LIBRARY == "gevent" else (lambda: second.dead)
    return {"first": told(first), "turns": count(over), "second": told(join(second))}


def in_hub():
    """What the hub itself calls cannot wait for a greenlet: it is told so at once."""
    results = []
    waiting = spawn(trace, waits, None, options())
    while not GATE.queue:
        sleep(0.001)

    def call():
        results.append(trace(quick, None, options()))

    if LIBRARY == "gevent":
        library.get_hub().loop.run_callback(call)
    else:
        importlib.import_module("eventlet.hubs").get_hub().schedule_call_global(0, call)
    while not results:
        sleep(0.001)
    let_go()
    return {"hub": told(results[0]), "waiting": told(join(waiting))}


def in_pool():
    """A real thread that has no hub waits like any thread, and gets none for it."""

    def work():
        result = trace(waits, None, options())
        return told(result), _greenlets.current(), _greenlets.limitation()

    helper = spawn(let_go)
    if LIBRARY == "gevent":
        found = library.get_hub().threadpool.apply(work)
    else:
        found = importlib.import_module("eventlet.tpool").execute(work)
    join(helper)
    return found


def uploads():
    """The server is a greenlet of the thread that waits for its answer."""
    server_module = importlib.import_module("http.server")
    sizes = []

    class Server(server_module.BaseHTTPRequestHandler):
        def do_POST(self):
            sizes.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = server_module.HTTPServer(("127.0.0.1", 0), Server)
    serving = spawn(server.handle_request)
    path = os.path.join(FOLDER, "snapshot")
    with open(path, "wb") as file:
        file.write(b"tea")
    tracer = bcd.BTTracer()
    tracer.configure_put(f"http://127.0.0.1:{server.server_port}", "0" * 64)
    join(spawn(tracer.put, path))
    join(serving)
    server.server_close()
    return sizes


def killed():
    """A greenlet that is killed while it waits takes its tracer with it."""
    waiting = spawn(trace, endless, None, options())
    while not GATE.queue:
        sleep(0.001)
    sleep(0.01)
    waiting.kill()
    return {"queue": len(GATE.queue), "children": children()}


def too_long():
    result = trace(endless, None, options(0.2))
    return {**told(result), "children": children()}


def with_child_watchers():
    """gevent reaps every child from its first subprocess on, also those of others."""
    subprocess = importlib.import_module(
        "gevent.subprocess" if LIBRARY == "gevent" else "eventlet.green.subprocess"
    )
    bcd.update_config(bcd.GlobalConfig(rate_limit=0))
    subprocess.Popen(["/bin/true"]).wait()
    results = [told(trace(quick, None, options())) for _ in range(5)]
    return {"results": results, "children": children()}


def snapshot():
    def fails(depth, amount):
        if depth:
            return fails(depth - 1, amount)
        raise LookupError("no such card")

    spawn(sleep, LONG)
    sleep(0)
    tracer = bcd.PythonTracer(folder=FOLDER)

    def works():
        try:
            fails(3, 7)
        except LookupError as error:
            return trace(tracer, error)

    result = join(spawn(works))
    return {**told(result), "thread": _thread.get_native_id()}


def recovered():
    """``recover`` in a greenlet lets the error go on, and others run while it waits."""
    helper = spawn(let_go)

    def works():
        with bcd.recover(waits, options=options(LONG if WHEN != "never" else 0.5)):
            raise LookupError("no such card")

    try:
        join(spawn(works))
    except LookupError as error:
        return {"raised": str(error), "queue": len(GATE.queue)}


def children():
    """Everything that was started and is still there."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                stat = file.read()
        except (OSError, ValueError):
            continue
        if entry.isdigit() and int(stat.rpartition(b")")[2].split()[1]) == os.getpid():
            found.append(int(entry))
    return found


os.makedirs(FOLDER, mode=0o700, exist_ok=True)
os.mkfifo(FIFO)
print(json.dumps(globals()[SCENARIO]()), flush=True)

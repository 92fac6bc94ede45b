"""What a program knows of itself, to be compared with what the tracer process read."""

import asyncio
import enum
import gc
import json
import linecache
import os
import sys
import threading
import types

import bcd

OPTIMIZED = 0x1
PLAIN = (type(None), bool, int, float, complex, str, bytes, bytearray, range, type(...), type(NotImplemented))


def type_name(value):
    kind = type(value)
    if kind.__module__ == "builtins":
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


WHOLE = set(
    """
    function builtin_function_or_method module code frame memoryview property classmethod_descriptor
    wrapper_descriptor method_descriptor getset_descriptor member_descriptor
    _thread.lock _thread.RLock threading.Event threading.Barrier _thread._ThreadHandle
    datetime.datetime datetime.date datetime.time datetime.timedelta datetime.timezone zoneinfo.ZoneInfo
    decimal.Decimal fractions.Fraction uuid.UUID re.Pattern re.Match array.array
    pathlib.PosixPath pathlib.PurePosixPath pathlib.PureWindowsPath
    pathlib._local.PosixPath pathlib._local.PurePosixPath
    ipaddress.IPv4Address ipaddress.IPv6Address ipaddress.IPv4Network ipaddress.IPv6Network
    _io.TextIOWrapper _io.BufferedReader _io.BufferedWriter _io.FileIO _io.StringIO _io.BytesIO
    types.GenericAlias types.UnionType typing.TypeVar
    """.split()
)
"""Types of the standard library whose values hold no others that are shown."""
HOLDING = set(
    """
    list tuple set frozenset dict_keys dict_values collections.deque collections.Counter
    collections.OrderedDict collections.defaultdict collections.ChainMap mappingproxy dict
    types.SimpleNamespace functools.partial slice method dict_items
    """.split()
)
"""Types whose values show what they hold."""


def held_by(value):
    """What a value shows of others."""
    kind = type(value).__name__
    if kind == "slice":
        return [value.start, value.stop, value.step]
    if kind == "partial":
        return [value.func, *value.args, *value.keywords.values()]
    if kind == "SimpleNamespace":
        return list(vars(value).values())
    if kind == "ChainMap":
        return value.maps
    if kind == "method":
        return [value.__self__]
    if kind == "defaultdict":
        return [value.default_factory, *value, *value.values()]
    if hasattr(value, "items"):
        return [*value, *value.values()]
    return list(value.args if isinstance(value, BaseException) else value)


def comparable(value, seen=()):
    """Whether ``repr`` of a value is what a snapshot has to show."""
    if any(value is other for other in seen):
        return True
    seen = (*seen, value)
    if isinstance(value, enum.Enum) or type(value) in PLAIN or type(value) is type:
        return True
    if type_name(value) in WHOLE:
        return True
    shows = type_name(value) in HOLDING or hasattr(value, "_fields")
    if shows or type(value).__repr__ is BaseException.__repr__:
        return len(seen) < 8 and all(comparable(part, seen) for part in held_by(value))
    return False


def text(value):
    """What a snapshot has to show of a value; None where only its type is known beforehand."""
    return repr(value) if comparable(value) else None


def slots(code):
    """The names of a function's variables in the order of their slots."""
    cells = [name for name in code.co_cellvars if name not in code.co_varnames]
    return [*code.co_varnames, *cells, *code.co_freevars]


NOBODYS = ("__classdict__", "__conditional_annotations__")


def beside(frame):
    """What a class body or module has in cells, which ``locals()`` hides: [(name, value), …]."""
    code = frame.f_code
    cells = [thing for thing in gc.get_referents(frame) if type(thing) is types.CellType]
    named = zip((*code.co_cellvars, *code.co_freevars), cells)
    return [(name, cell.cell_contents) for name, cell in named if name not in NOBODYS and filled(cell)]


def filled(cell):
    try:
        cell.cell_contents
    except ValueError:
        return False
    return True


def variables(frame):
    held = frame.f_locals
    names = list(held)
    if frame.f_code.co_flags & OPTIMIZED:
        names = [name for name in slots(frame.f_code) if name in held]
    elif held is frame.f_globals or frame.f_code.co_name == "<module>":
        names = [name for name in names if not name.startswith("__")]
    pairs = [(name, held[name]) for name in names if name not in NOBODYS]
    if not frame.f_code.co_flags & OPTIMIZED:
        hidden = beside(frame)
        pairs = [pair for pair in hidden if pair[0] not in held] + pairs
    return [[name, type_name(value), text(value)] for name, value in pairs]


def source(file, line, names):
    """What a traceback would quote."""
    try:
        return linecache.getline(file, line, names)
    except UnicodeError:
        return ""


def frame_truth(frame, instruction=None, line=None, *, with_variables=True):
    code = frame.f_code
    instruction = frame.f_lasti if instruction is None else instruction
    position = dict(enumerate(code.co_positions())).get(instruction // 2, (None,) * 4)
    return {
        "function": code.co_qualname,
        "file": code.co_filename,
        "line": (frame.f_lineno if line is None else line) or None,
        "end_line": position[1],
        "column": position[2],
        "end_column": position[3],
        "source": source(code.co_filename, line or frame.f_lineno or 0, frame.f_globals),
        "locals": variables(frame) if with_variables else [],
    }


def traceback_truth(traceback):
    found = []
    while traceback is not None:
        line = traceback.tb_lineno
        found.append(frame_truth(traceback.tb_frame, traceback.tb_lasti, line))
        traceback = traceback.tb_next
    return found


def notes_of(error):
    notes = getattr(error, "__notes__", [])
    return [note if isinstance(note, str) else repr(note) for note in notes]


def chain_of(root):
    """An exception and all that it is chained to, each once."""
    order = [] if root is None else [root]
    for error in order:
        for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
            if other is not None and not any(other is known for known in order):
                order.append(other)
    return order


def exception_truth(root):
    """The exception and all that it is chained to, each once, related by index."""
    order = chain_of(root)

    def number(error):
        return next((index for index, known in enumerate(order) if known is error), None)

    found = []
    for error in order:
        found.append(
            {
                "type": type_name(error),
                "message": str(error),
                "notes": notes_of(error),
                "frames": traceback_truth(error.__traceback__),
                "cause": number(error.__cause__),
                "context": number(error.__context__),
                "suppress_context": error.__suppress_context__,
                "children": [number(child) for child in getattr(error, "exceptions", ())],
            }
        )
    return {"root": 0, "list": found}


def stack_truth(frame, start=None, *, with_variables=True):
    """The frames of a stack from ``start`` on, innermost last, without bcd's own innermost ones.

    While a class's or module's body runs, Python may show but a part of its variables.
    """
    found = []
    own = os.path.dirname(bcd.__file__) + os.sep
    while frame is not None:
        trimmed = frame.f_code.co_filename.startswith(own) or frame.f_code.co_filename == __file__
        if found or not trimmed:
            found.insert(0, frame_truth(frame, with_variables=with_variables))
            found[0]["partial"] = not frame.f_code.co_flags & OPTIMIZED
        frame = frame.f_back if frame is not start else None
    return found


natives = {}
"""Ident → native id of threads that ``threading`` does not know."""


def handling_truth(error, shown):
    """An exception that is handled, None where the snapshot shows it as the error already."""
    return None if error is None or any(error is other for other in shown) else exception_truth(error)


def handled_by(ident):
    found = sys._current_exceptions()[ident]
    return found[1] if isinstance(found, tuple) else found  # until 3.11


def threads_truth(shown=()):
    known = {thread.ident: thread for thread in threading.enumerate()}
    found = []
    for ident, frame in sys._current_frames().items():
        thread = known.get(ident)
        found.append(
            {
                "tid": thread.native_id if thread else natives[ident],
                "name": thread.name if thread else None,
                "daemon": thread.daemon if thread else None,
                "own": ident == threading.get_ident(),
                "frames": stack_truth(frame),
                "handling": handling_truth(handled_by(ident), shown),
            }
        )
    return found


def awaited(thing):
    """What a suspended coroutine, generator or wrapper waits for."""
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(thing, name):
            return getattr(thing, name)
    return None


def frame_of(thing):
    for name in ("cr_frame", "gi_frame", "ag_frame"):
        if hasattr(thing, name):
            return getattr(thing, name)
    return None


OPAQUE = ("coroutine_wrapper", "async_generator_asend", "async_generator_athrow")


def chain_frames(awaitable):
    """The frames of a task's suspended coroutines, innermost last."""
    while awaitable is not None:
        if type(awaitable).__name__ in OPAQUE:
            (awaitable,) = (
                thing for thing in gc.get_referents(awaitable) if frame_of(thing) is not None
            )
            continue
        frame = frame_of(awaitable)
        if frame is None:
            break
        yield frame
        awaitable = awaited(awaitable)


def chain_truth(awaitable):
    return [[frame.f_code.co_qualname, frame.f_lineno] for frame in chain_frames(awaitable)]


def state_of(task, current):
    waiting = getattr(task, "_fut_waiter", None) is not None
    return "running" if task is current else "waiting" if waiting else "ready"


def awaited_by(future):
    """The names of the tasks that wait for a future, as asyncio notes them from 3.14 on."""
    names = set()
    for waiter in getattr(future, "_asyncio_awaited_by", None) or ():
        names |= {waiter.get_name()} if isinstance(waiter, asyncio.Task) else awaited_by(waiter)
    return names


def tasks_truth(loop):
    found = {}
    current = asyncio.current_task(loop)
    for task in asyncio.all_tasks(loop):
        found[task.get_name()] = {
            "id": hex(id(task)),
            "state": state_of(task, current),
            "frames": None if task is current else chain_truth(task.get_coro()),
            "awaited_by": sorted(awaited_by(task)),
        }
    return found


def awaiting(task):
    """The tasks that wait for a task, as asyncio's call graph says; None before it came (3.14).

    It leaves out the tasks of asyncio's own Python class.
    """
    if sys.version_info < (3, 14) or not isinstance(task, asyncio.Task):
        return None
    found, graphs = set(), list(asyncio.capture_call_graph(task, limit=0).awaited_by)
    for graph in graphs:
        if hasattr(graph.future, "get_coro"):
            found.add(hex(id(graph.future)))
        else:
            graphs += graph.awaited_by
    return sorted(found)


def waits_for(task):
    """The tasks that a task stands still for, as asyncio's futures say in every version."""
    found, awaited = [], [task._fut_waiter]
    for future in awaited:
        if hasattr(future, "get_coro") and not future.done():
            found.append(hex(id(future)))
        awaited += getattr(future, "_children", ())  # of gather
    return found


def running_truth(task):
    """The frames of a task that runs, where it is this thread that runs it."""
    coroutine = task.get_coro()
    frame, start = sys._getframe(), frame_of(coroutine)
    return stack_truth(frame, start)


handled_in = {}
"""Task → what it handles, of those that told."""


def current_task(loop=None):
    # From 3.14 on asyncio's does not know those of asyncio's own Python class.
    of_python = getattr(asyncio.tasks, "_py_current_task", asyncio.current_task)
    return asyncio.current_task(loop) or of_python(loop)


def tell_handled():
    handled_in[current_task()] = sys.exception()


creators = {}
"""Task → the one that made it and waits for it, of the loops that were told to note it."""


def note_creators(loop):
    """Let a loop note who makes a task; whoever does not wait for it has to call ``is_let_go``."""
    make = loop.get_task_factory() or (lambda loop, coroutine, **named: asyncio.Task(coroutine, loop=loop, **named))

    def factory(loop, coroutine, **named):
        creator = current_task(loop)
        task = make(loop, coroutine, **named)
        creators[task] = creator
        return task

    loop.set_task_factory(factory)


def is_let_go(task):
    creators[task] = None
    return task


def waiting_for(task):
    """The tasks that wait for a task, None where that is not known; as asyncio has it, too (3.14)."""
    of_asyncio = awaiting(task)
    if task not in creators:
        return of_asyncio
    found = [hex(id(creators[task]))] if creators[task] else []
    assert of_asyncio in (None, found), (task, of_asyncio, found)
    return found


def whole_tasks_truth(*loops, shown=()):
    found = []
    for loop in loops:
        current = asyncio.current_task(loop)
        # From 3.14 on all_tasks() leaves out those of asyncio's own Python class.
        of_python = getattr(asyncio.tasks, "_py_all_tasks", asyncio.all_tasks)(loop)
        for task in asyncio.all_tasks(loop) | of_python:
            coroutine = task.get_coro()
            found.append(
                {
                    "id": hex(id(task)),
                    "name": task.get_name(),
                    "state": state_of(task, current),
                    "awaited_by": waiting_for(task),
                    "waits_for": waits_for(task),
                    "frames": running_truth(task)
                    if task is current
                    else [frame_truth(frame) for frame in chain_frames(coroutine)],
                }
            )
            if task in handled_in:
                found[-1]["handling"] = handling_truth(handled_in[task], shown)
    return found


def whole_truth(error=None, loops=()):
    shown = chain_of(error)
    found = {"threads": threads_truth(shown)}
    if error is not None:
        found["exception"] = exception_truth(error)
    if loops:
        found["tasks"] = whole_tasks_truth(*loops, shown=shown)
    return found


class Recorder(bcd.PythonTracer):
    """Records the truth while the process stands at the very place where it was frozen."""

    def __init__(self, record=lambda: None, **settings):
        limits = {"alike": 200, **settings.pop("limits", {})}  # all are looked at afterwards
        super().__init__(folder=sys.argv[1], limits=limits, **settings)
        self.record = record
        self.truth = None

    def finalize_memory(self, options, memory, error, started):
        assert memory.mode == "frozen", memory.notes
        self.truth = self.record()
        return super().finalize_memory(options, memory, error, started)


def say(tracer, result, truth=None):
    """Print what the test compares."""
    result.raise_for_error()
    path = os.fsdecode(result.stdout).rstrip("\n")
    truth = tracer.truth if truth is None else truth
    print(json.dumps({"path": path, "truth": truth}), flush=True)


def often():
    """Let one process trace itself many times."""
    bcd.update_config(bcd.GlobalConfig(rate_limit=0.0))


ALL = {
    **dict.fromkeys(("exceptions", "variables", "frames", "items", "tasks", "threads"), 5000),
    **{"tasks_with_variables": 5000, "string": 20000, "value": 10**6, "depth": 8},
    **{"values": 10**6, "deadline_ms": 30000, "file_bytes": 1 << 26},
}
"""Limits that leave out nothing."""


def observe(how="nothing"):
    """Let the program be watched, line by line, as debuggers, profilers and coverage do."""
    if how == "settrace":
        threading.settrace(watch)
        sys.settrace(watch)
    elif how == "setprofile":
        threading.setprofile(watch)
        sys.setprofile(watch)
    elif how == "monitoring" and hasattr(sys, "monitoring"):
        monitoring = sys.monitoring
        monitoring.use_tool_id(3, "truth")
        events = monitoring.events
        monitoring.set_events(3, events.LINE | events.INSTRUCTION | events.PY_START | events.BRANCH)
        for event in (events.LINE, events.INSTRUCTION, events.PY_START):
            monitoring.register_callback(3, event, lambda *args: None)
    elif how == "coverage":
        import coverage

        coverage.Coverage(data_file=None, branch=True, include=["*"]).start()


def watch(frame, event, argument):
    frame.f_trace_opcodes = event != "line"
    return watch

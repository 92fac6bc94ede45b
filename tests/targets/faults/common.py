"""The two kinds of tracers that the programs beside this file trace themselves with."""

import bcd
from bcd.tracer import Command, TraceOptions
from bcd.tracers._options import OptionList

TIMEOUT = 30.0  # seconds that no trace here takes


class FakeLog:
    """Keeps its lines."""

    def __init__(self):
        self.lines = []

    def logf(self, level, format, *args):
        self.lines.append(format % args)

    def set_log_level(self, level):
        pass


class PlainTracer(OptionList, FakeLog):
    """Runs a small program of the shell."""

    def __init__(self, script):
        OptionList.__init__(self)
        FakeLog.__init__(self)
        self.script = script

    def default_trace_options(self):
        return TraceOptions(timeout=TIMEOUT)

    def finalize(self, options):
        return Command(argv=["/bin/sh", "-c", self.script])


def make(kind, folder, script="cat; echo done"):
    """A tracer, the plain one with a script of one's own, and what it logs."""
    if kind == "plain":
        tracer = PlainTracer(script)
        return tracer, tracer.lines
    tracer, log = bcd.PythonTracer(folder=folder, timeout=TIMEOUT), FakeLog()
    tracer.set_logger(log)
    return tracer, log.lines


def told(result):
    """What matters of a result, for JSON."""
    return {
        "kind": type(result.error).__name__,
        "error": result.error and str(result.error),
        "stdout": result.stdout.decode(),
        "seconds": result.duration,
    }

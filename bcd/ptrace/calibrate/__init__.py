"""Learn CPython's layout in memory from the tracer's own objects: no tables of offsets.

The tracer runs under the same interpreter binary as its target, so what holds for its own
objects holds for the target's. Each member is found by searching a live object for values
that are known; a search that does not give exactly one answer refuses the interpreter.
"""

import sys

from bcd.ptrace.calibrate.execution import (
    calibrate_code,
    calibrate_frames,
    calibrate_generators,
    calibrate_tracebacks,
)
from bcd.ptrace.calibrate.objects import (
    calibrate_containers,
    calibrate_dicts,
    calibrate_exceptions,
    calibrate_misc,
    calibrate_types,
)
from bcd.ptrace.calibrate.proof import prove
from bcd.ptrace.calibrate.search import WHOLE_WORD, Search
from bcd.ptrace.calibrate.tasks import calibrate_tasks
from bcd.ptrace.calibrate.threads import calibrate_threads
from bcd.ptrace.layout import Layout
from bcd.ptrace.memory import LiveMemory


def calibrate(own: LiveMemory) -> Layout:
    """Find the layout of this interpreter.

    Args:
        own: The memory of this very process.

    Raises:
        CalibrationError: Something could not be proven; the interpreter is refused.
    """
    layout = Layout()
    # From 3.14 on, references on a frame carry tags in their low bits.
    layout.pointer_mask = WHOLE_WORD & ~7 if sys.version_info >= (3, 14) else WHOLE_WORD
    search, frames = Search(own), Search(own, layout.pointer_mask)
    layout.container = calibrate_containers(search)
    layout.dict = calibrate_dicts(search)
    layout.type = calibrate_types(search, layout.dict)
    layout.exception = calibrate_exceptions(search)
    layout.misc = calibrate_misc(search)
    layout.code = calibrate_code(search, layout.container)
    layout.frame = calibrate_frames(frames, layout.code)
    layout.generator = calibrate_generators(frames, layout.code, layout.frame)
    layout.traceback = calibrate_tracebacks(search)
    layout.thread = calibrate_threads(search, layout.frame)
    layout.task = calibrate_tasks(search)
    layout.slide = 0
    prove(layout, own)
    return layout

"""Start one tracer program, feed it, listen to it, wait for it, kill it.

No thread is needed: one loop polls the pipes and the process. Nothing here waits for a pipe
that a descendant of the tracer still holds (rule 19), and nothing is lost to a signal handler
that raises: what was opened is noted by the same call of C that opened it.
"""

from bcd.launch.arguments import LONGEST_ARGUMENT, Program, argument
from bcd.launch.pipes import KEPT_BYTES
from bcd.launch.running import Running, prepare, start

__all__ = [
    "KEPT_BYTES",
    "LONGEST_ARGUMENT",
    "Program",
    "Running",
    "argument",
    "prepare",
    "start",
]

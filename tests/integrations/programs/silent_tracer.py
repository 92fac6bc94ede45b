"""A tracer that never ends."""

import signal

signal.pause()

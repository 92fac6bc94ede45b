"""Serves a WSGI application by eventlet: ``python -m …eventlet_server MODULE:NAME``."""

import signal
import sys
from importlib import import_module
from pathlib import Path

import eventlet
import eventlet.wsgi

eventlet.monkey_patch()
sys.path.append(str(Path(__file__).parent))
module, _, name = sys.argv[1].partition(":")
listener = eventlet.listen(("127.0.0.1", 0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
sys.stdout.write(f"Listening at: http://127.0.0.1:{listener.getsockname()[1]}\n")
eventlet.wsgi.server(listener, getattr(import_module(module), name), log_output=False)

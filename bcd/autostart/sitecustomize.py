"""Start bcd in each Python process of ``bcd run``, then let the real ``sitecustomize`` be found.

Its folder stands first in PYTHONPATH, so Python imports it before the program's first line. Any
Python may find it, that of another environment and an old one too, so it asks for nothing newer
than what it needs. Whatever goes wrong costs a line on stderr, and the program goes on.
"""

import os
import sys

_NAME = "sitecustomize"
_OLDEST = (3, 11)
_FOLDER = os.path.dirname(os.path.abspath(__file__))


def _start():
    try:
        if sys.version_info < _OLDEST:
            raise RuntimeError("Python 3.11 or later is needed")
        if not _is_main_interpreter():
            return
        _import_bcd()
        from bcd.startup import start

        start()
    except Exception as problem:
        _tell("%s: %s" % (type(problem).__name__, problem))


def _is_main_interpreter():
    """Whether it is not one of several in this process, each of which imports this file."""
    try:
        import _interpreters

        return _interpreters.get_current()[0] == 0
    except ImportError:  # before Python 3.13
        import _xxsubinterpreters

        return int(_xxsubinterpreters.get_current()) == 0


def _import_bcd():
    """Import bcd as the program would, else the one that this file belongs to."""
    try:
        import bcd  # noqa: F401
    except ImportError as problem:
        if problem.name != "bcd":
            raise
        from importlib.util import module_from_spec, spec_from_file_location

        home = os.path.dirname(_FOLDER)
        spec = spec_from_file_location(
            "bcd", os.path.join(home, "__init__.py"), submodule_search_locations=[home]
        )
        sys.modules["bcd"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


def _tell(problem):
    """Say that the program runs without bcd; its children of another Python are not to say so."""
    if os.environ.get("BCD_RUN") == str(os.getpid()):
        message = "[bcd] %s runs without bcd: %s\n" % (sys.executable, problem)
        if sys.stderr is not None:
            sys.stderr.write(message)


def _find_the_real_one():
    """Import what would have been found without this file; what it raises is Python's matter."""
    this = sys.modules.pop(_NAME)
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != _FOLDER]
    try:
        import sitecustomize  # noqa: F401
    except ImportError as problem:
        if getattr(problem, "name", None) != _NAME:
            raise
        sys.modules[_NAME] = this


try:
    _find_the_real_one()
except Exception:  # told by Python, which goes on
    _start()
    raise
_start()

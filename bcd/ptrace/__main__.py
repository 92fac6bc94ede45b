"""The program of the tracer process; started as a file, with ``-I -S``, never imported.

``-I -S`` keep the host's ``.pth`` files, ``sitecustomize`` and environment out, and nothing that
lies beside bcd can be imported.
"""

import gc
import sys
from posix import _exit, write  # `os` takes 1 ms to import

_OLDEST = (3, 11)


def _run() -> None:
    if sys.version_info < _OLDEST:  # of a process that did not ask
        version = sys.version.split()[0]
        said = f"{sys.executable} is Python {version}; bcd reads 3.11 and later"
        write(2, said.encode("utf-8", "backslashreplace") + b"\n")
        _exit(1)
    gc.disable()  # it would look through all that was read, again and again, for a short life
    folder = __file__.rpartition("/ptrace/")[0]
    bcd = type(sys)("bcd")  # its public names are not for here, nor is what else lies beside it
    bcd.__path__ = [folder]
    sys.modules["bcd"] = bcd
    from bcd.ptrace.compiled import Compiled

    sys.meta_path.insert(0, Compiled(f"{folder}/"))
    from bcd._version import __version__
    from bcd.ptrace.main import main

    status = main(sys.argv[1:], f"{folder}/", __version__)
    # Not by way of the interpreter's own end, which takes 3 ms.
    _exit(status)


if __name__ == "__main__":
    _run()

"""The program of the tracer process; started as a file, with ``-I -S``, never imported.

``-I -S`` keep the host's ``.pth`` files, ``sitecustomize`` and environment out. The folder that
holds bcd goes to the end of the path, so that the standard library always wins.
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
    package = __file__.rpartition("/ptrace/")[0]
    root = package.rpartition("/")[0]
    sys.path.append(root)
    import bcd
    from bcd.ptrace.compiled import Compiled

    sys.meta_path.insert(0, Compiled(f"{root}/"))
    from bcd.ptrace.main import main

    status = main(sys.argv[1:], f"{package}/", bcd.__version__)
    # Not by way of the interpreter's own end, which takes 3 ms.
    _exit(status)


if __name__ == "__main__":
    _run()

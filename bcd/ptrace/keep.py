"""The program that runs another tool on a process and keeps what it finds; never imported.

Started as a file, with ``-I -S``, as ``__main__`` is, and for the same reasons.
"""

import os
import sys


def _run() -> None:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    sys.path.append(os.path.dirname(package))
    from bcd.ptrace.dump import main

    os._exit(main())


if __name__ == "__main__":
    _run()

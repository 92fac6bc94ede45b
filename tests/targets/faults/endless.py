"""Runs the tracer process with a reading that never ends. Usage: endless.py FOLDER STUBBORN

Where STUBBORN is 1, it does not even heed the interrupt.
"""

import os
import subprocess
import sys

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.append(REPOSITORY)

from bcd.ptrace import main
from bcd.ptrace.document import Document

folder, stubborn = sys.argv[1], sys.argv[2] == "1"


def read(_document):
    while True:
        try:
            while True:
                pass
        except Exception:
            if not stubborn:
                raise


Document._read_exception = read
main._LEAST_SECONDS = 1 if not stubborn else 0.1
main._GRACE = 0
standing = os.path.join(REPOSITORY, "tests", "targets", "reading", "standing.py")
target = subprocess.Popen([sys.executable, standing], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
target.stdout.readline()
sys.exit(main.main(["--faulted", str(target.pid), "--output", folder], "/nowhere/", "0"))

"""bcd's tracer, which begins once the test opens the FIFO that GATE names.

The program may be gone by then: what it has to say goes into the file next to the FIFO.
"""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from bcd.ptrace.main import main

gate = Path(os.environ["GATE"])
os.dup2(os.open(f"{gate}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), 2)
gate.read_bytes()
status = main([], str(Path(__file__).parents[3] / "bcd") + os.sep, "0")
sys.stderr.write(f"status {status}\n")

"""bcd's tracer, which begins once the test opens the FIFO that GATE names."""

import os
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from bcd.ptrace.main import main

Path(os.environ["GATE"]).read_bytes()
main([], str(Path(__file__).parents[3] / "bcd") + os.sep, "0")

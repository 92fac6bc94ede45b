"""Run the benchmarks: all of them, or those named, as in ``python -m tests.bench success``."""

from __future__ import annotations

import subprocess
import sys

from tests.bench.tables import machine

QUESTIONS = (
    *(
        "engine",
        "success",
        "failure",
        "live",
        "picture",
        "storm",
        "store",
        "viewer",
        "forward",
        "page",
    ),
)


def main() -> int:
    """Run each in a process of its own; the exit status says whether all could be measured."""
    chosen = sys.argv[1:] or QUESTIONS
    unknown = set(chosen) - set(QUESTIONS)
    if unknown:
        print(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
        return 2
    print(machine(), flush=True)
    commands = [[sys.executable, "-m", f"tests.bench.{name}"] for name in chosen]
    return max(subprocess.run(command, check=False).returncode != 0 for command in commands)


if __name__ == "__main__":
    sys.exit(main())

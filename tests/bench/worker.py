"""A process that answers questions, so that variants that patch each other are kept apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

__all__ = ["Worker", "serve"]


class Worker:
    """A module run by this interpreter; it speaks JSON, a line a question and an answer.

    Args:
        module: Its full name; it has to call :func:`serve`.
        arguments: Of its command line.
        folder: Where its snapshots go.
        python: Another interpreter.
    """

    def __init__(
        self, module: str, *arguments: str, folder: str, python: str = sys.executable
    ) -> None:
        self._process = subprocess.Popen(
            [python, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "BCD_DIR": folder, "BCD_LIMITS": "alike=200"},  # all are counted
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._process.communicate()  # the end of its input ends it

    def ask(self, **question: Any) -> Any:
        """Ask one question and wait for the answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self._process.args!r} ended: see its message above")
        return json.loads(answer)


def serve(answer: Callable[..., Any]) -> None:
    """Answer questions from standard input until it ends."""
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), flush=True)

"""Everything that the readers share while one snapshot is taken."""

import time

from bcd.ptrace.bounds import Budget, Limits, Remarks
from bcd.ptrace.codes import Codes
from bcd.ptrace.layout import Layout
from bcd.ptrace.memory import Memory
from bcd.ptrace.objects import Objects
from bcd.ptrace.redact import Redactor
from bcd.ptrace.values import Renderer


class Target:
    """One process that is read: its memory, and the bounds of the reading.

    Args:
        memory: The memory of the process.
        layout: The layout of its interpreter.
        limits: How much is read.
        redactor: Replaces secrets.
        patient: Whether the time that this process ran is what counts: nobody waits for it.

    Attributes:
        moment: Monotonic time, in seconds, to which the memory belongs.
    """

    def __init__(
        self,
        memory: Memory,
        layout: Layout,
        limits: Limits,
        redactor: Redactor,
        *,
        patient: bool = False,
    ) -> None:
        self.memory = memory
        self.layout = layout
        self.limits = limits
        self.redactor = redactor
        self.moment = time.monotonic()
        self.budget = Budget(limits, own=time.process_time if patient else None)
        self.remarks = Remarks()
        self.forget()

    def short_text(self, address: int, what: str, limit: int = 200) -> str:
        """A name or the like, without secrets; what is cut of it is said.

        Args:
            address: Of the string.
            what: What it is of, for what is said.
            limit: Characters that are kept.
        """
        text, length = self.objects.text(address, limit)
        if length > limit:
            self.remarks.cut(f"{what} of {length:,} characters: the first {limit} are kept")
            text += "…"
        return self.redactor.text(text)

    def forget(self) -> None:
        """Drop all that was read and may have changed since; at first there is nothing."""
        self.memory.forget()
        self.objects = Objects(self.memory, self.layout)
        self.codes = Codes(self.objects)
        self.renderer = Renderer(self.codes, self.objects, self.limits, self.budget, self.redactor)

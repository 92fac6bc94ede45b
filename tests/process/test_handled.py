"""The exceptions that threads and tasks were handling; test_truth.py has those of all kinds."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.process.conftest import load
from tests.pythons import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Traced

    from tests.process.agreement import Agreement

    Run = Callable[..., list[Traced]]

HANDLING = REPOSITORY / "tests" / "targets" / "dump" / "handling.py"


def chain(snapshot: dict[str, Any]) -> dict[str, Any] | None:
    """What the faulted thread handles."""
    found: dict[str, Any] | None = snapshot["threads"][0].get("handling")
    return found


class TestFaultedThread:
    def test_of_a_trace_without_an_error(self, run_target: Run, agreement: Agreement) -> None:
        """The snapshot has no error, as in Go, but its thread shows what it was handling."""
        within, _, _, after, _ = run_target("handling.py")
        assert within.snapshot["exception"] is None
        shown = chain(within.snapshot)
        assert shown is not None
        agreement.exceptions(within.truth, within.snapshot, shown)
        assert agreement.differences == []
        assert (after.truth, chain(after.snapshot)) == (None, None)

    def test_of_the_traced_error(self, run_target: Run) -> None:
        """An error that is traced where it is handled is shown once."""
        _, itself, _, _, _ = run_target("handling.py")
        assert itself.snapshot["exception"]["list"][0]["type"] == "ValueError"
        assert chain(itself.snapshot) is None

    def test_of_another_error(self, run_target: Run, agreement: Agreement) -> None:
        """One that is traced while another one is handled comes with that one."""
        _, _, other, _, _ = run_target("handling.py")
        assert other.snapshot["exception"]["list"][0]["type"] == "LookupError"
        agreement.exceptions(other.truth, other.snapshot, chain(other.snapshot))
        assert agreement.differences == []


def test_many(run_target: Run) -> None:
    """So many exceptions are read of all threads together; that others were left out is said."""
    *_, many = run_target("handling.py")
    handled = [thread["handling"] for thread in many.snapshot["threads"] if "handling" in thread]
    assert len(handled) == many.truth
    assert "exceptions that are handled: the first 3" in many.snapshot["truncated"]


def test_of_a_process_that_did_not_ask(interpreter: str, tmp_path: Path) -> None:
    """``bcd dump`` shows them of a thread and of a task that wait within an except block."""
    with subprocess.Popen(
        [interpreter, HANDLING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        done = subprocess.run(
            [sys.executable, "-c", "from bcd.cli import main; main()", "dump", str(process.pid)],
            env={"BCD_DIR": str(tmp_path / "kept"), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
        )
        process.communicate(b"\n")
    assert done.returncode == 0, done.stderr
    snapshot = load(done.stderr.rstrip("\n").rpartition(" ")[2])
    threads = {thread["name"]: thread for thread in snapshot["threads"]}
    (error,) = threads["retries"]["handling"]["list"]
    assert (error["type"], error["message"]) == ("ConnectionError", "refused by shop.example")
    assert [frame["function"] for frame in error["frames"]] == ["retries", "connects"]
    assert {"name": "token", "type": "str", "value": "[redacted]"} in [
        {part: variable[part] for part in ("name", "type", "value")}
        for variable in error["frames"][1]["locals"]
    ]
    assert "handling" not in threads["MainThread"]
    tasks = {task["name"]: task for task in snapshot["tasks"]}
    assert tasks["careless"]["handling"]["list"][0]["type"] == "KeyError"
    assert "handling" not in tasks["waits"]
    assert "  handling ConnectionError: refused by shop.example (raised at " in done.stdout
    assert "  handling KeyError: 'missing' (raised at " in done.stdout

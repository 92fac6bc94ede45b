"""The upload that follows a trace, where its tracer is set up for that."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from bcd.engine.wording import error_text, type_name
from bcd.errors import PutError
from bcd.launch import KEPT_BYTES

if TYPE_CHECKING:
    from bcd.tracer import Command, Tracer

__all__ = ["put_printed"]


def put_printed(
    tracer: Tracer, command: Command, printed: bytes, ends_at: float
) -> PutError | None:
    """Upload the snapshot whose path a tracer program printed as its last line.

    Args:
        tracer: Nothing is done unless its ``put_on_trace`` says so.
        command: What ran.
        printed: Its output, as far as it was kept.
        ends_at: Moment of ``time.monotonic()`` at which the trace's own time is over.

    Returns:
        Why it was not uploaded.
    """
    put_on_trace = getattr(tracer, "put_on_trace", None)
    try:
        if put_on_trace is None or not put_on_trace():
            return None
        left = ends_at - time.monotonic()
        if left <= 0:
            return PutError("the snapshot was not uploaded: the tracer took all the time there was")
        tracer.put(_path(command, printed), left)  # type: ignore[attr-defined]  # a PutTracer
    except PutError as failure:
        return failure
    except Exception as failure:  # noqa: BLE001 - the tracer's own code
        said = f"{type_name(failure)}: {error_text(failure)}"
        return PutError(f"{type_name(tracer)} could not upload the snapshot: {said}")
    return None


def _path(command: Command, printed: bytes) -> str:
    if command.stdout is not None:
        raise PutError(
            "the snapshot was not uploaded, for its path is not known: the tracer's standard "
            "output goes elsewhere; leave it to bcd (set_pipes)"
        )
    lines = [line.strip() for line in printed.split(b"\n") if line.strip()]
    if not lines or len(printed) >= KEPT_BYTES:
        much = "more than can be kept" if lines else "nothing"
        raise PutError(
            "the snapshot was not uploaded, for its path is not known: the tracer printed "
            f"{much}, and its last line should be the path"
        )
    return os.path.join(command.cwd or "", os.fsdecode(lines[-1]))  # noqa: PTH118 - a path as it was printed

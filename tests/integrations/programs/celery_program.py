"""Tasks that fail in all ways, on a worker without bcd or, with TRACED, with it. For tests."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import celery
from celery.exceptions import Ignore, Reject

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = os.environ["NAME"]
log = logging.getLogger("shop")
app = celery.Celery("program")  # broker and results as Celery's variables say
app.conf.update(
    task_default_queue=NAME,
    result_extended=True,
    result_expires=600,
    worker_hijack_root_logger=True,
    worker_log_format="%(levelname)s %(message)s",
    worker_task_log_format="%(levelname)s %(message)s",
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
)
prefixed = {"global_keyprefix": f"{NAME}:"}
app.conf.result_backend_transport_options = prefixed
if app.conf.broker_url.startswith("redis"):
    app.conf.broker_transport_options = prefixed


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


once_made = Boom("made once")


@app.task
def succeed(value: object = "tea") -> object:
    """Work."""
    return value


@app.task
def fail(text: str = "deep") -> NoReturn:
    """Fail below another function."""
    deeper(text)


def deeper(text: str) -> NoReturn:
    """Fail."""
    raise Boom(text)


@app.task
def fail_with(*_: object, **__: object) -> NoReturn:
    """Fail, whatever it is given."""
    raise Boom("with arguments")


@app.task
def is_seen(password: str, item: str) -> NoReturn:
    """Fail with a few variables, of which a snapshot is taken."""
    cart = {"item": item, "password": password}
    deeper(f"{len(cart)} to be seen")


@app.task
def fail_again() -> NoReturn:
    """Raise what was raised before."""
    raise once_made


@app.task(throws=(Boom,))
def expects() -> NoReturn:
    """Fail as it is expected to."""
    raise Boom("expected")


@app.task
def is_ignored() -> NoReturn:
    """End without a result."""
    raise Ignore


@app.task(acks_late=True)
def is_rejected() -> NoReturn:
    """Reject the message."""
    raise Reject("unwanted", requeue=False)


@app.task(bind=True, max_retries=2)
def succeeds_later(self: Any) -> str:
    """Work at the second attempt."""
    if not self.request.retries:
        raise self.retry(countdown=0)
    return "at last"


@app.task(bind=True, max_retries=1)
def never_succeeds(self: Any) -> NoReturn:
    """Fail at both attempts."""
    try:
        deeper("again")
    except Boom as error:
        raise self.retry(exc=error, countdown=0) from None


@app.task(bind=True, max_retries=1)
def gives_up(self: Any) -> NoReturn:
    """Retry once too often, for no error."""
    raise self.retry(countdown=0)


@app.task(autoretry_for=(Boom,), max_retries=1, default_retry_delay=0)
def retried_for() -> NoReturn:
    """Be retried by a rule."""
    deeper("retried")


@app.task(soft_time_limit=1)
def takes_long() -> None:
    """Take too long."""
    threading.Event().wait(60)


@app.task(soft_time_limit=1)
def fails_in_time() -> NoReturn:
    """Fail before the time is over."""
    deeper("in time")


@app.task(time_limit=1)
def takes_far_too_long() -> None:
    """Take too long, and do not listen."""
    try:
        time.sleep(60)
    finally:
        time.sleep(60)


@app.task
def exits() -> None:
    """End its process."""
    os._exit(3)


@app.task
def is_killed() -> None:
    """Let its process be killed."""
    os.kill(os.getpid(), signal.SIGKILL)


@app.task
def leaves() -> NoReturn:
    """Ask its process to end."""
    raise SystemExit(4)


@app.task
def unpicklable() -> NoReturn:
    """Raise what cannot be pickled."""

    class LocalBoom(Exception):  # noqa: N818 - short
        pass

    raise LocalBoom(threading.Lock())


@app.task
def nearly_picklable() -> NoReturn:
    """Raise what cannot be pickled, while its base class can."""

    class LocalBoom(Boom):
        pass

    raise LocalBoom("local")


@app.task
def returns_no_json() -> object:
    """Return what the results cannot hold."""
    return threading.Lock()


@app.task(acks_late=True)
def acknowledged_late() -> NoReturn:
    """Fail before the message is acknowledged."""
    deeper("late")


class WithBadHandler(celery.Task):  # type: ignore[misc]  # has no types
    """Fails once more."""

    def on_failure(self, *_: object) -> NoReturn:
        """Fail."""
        raise LookupError("handler")


@app.task(base=WithBadHandler)
def handled_badly() -> NoReturn:
    """Fail, which is handled by failing."""
    deeper("first")


@app.task
def applies() -> object:
    """Run another task here and now, which fails."""
    return fail.apply(throw=True, task_id="applied")


@app.task
def calls() -> str:
    """Call tasks that fail as functions, and handle it."""
    for way in (fail, fail.run):
        try:
            way()
        except Boom:
            continue
    return "handled"


@app.task
def called_back(_request: object, _error: object, _traceback: object) -> NoReturn:
    """Handle the failure of another task within it, and fail at that."""
    raise LookupError("errback")


@app.task
def sent_back(_task_id: str) -> NoReturn:
    """Handle the failure of another task as a task of its own, and fail at that."""
    deeper("errback")


@app.task
def sends_chain() -> None:
    """Send tasks that follow one another, of which the second fails."""
    celery.chain(
        succeed.si().set(task_id="chain-1"),
        fail.si().set(task_id="chain-2"),
        succeed.si().set(task_id="chain-3"),
    ).delay()


@app.task
def sends_group() -> None:
    """Send tasks that all fail."""
    celery.group(fail.s().set(task_id="group-1"), fail_with.s().set(task_id="group-2")).delay()


@app.task
def sends_chords() -> None:
    """Send tasks that are collected: one of the first fails; that which collects them fails."""
    header = [succeed.s().set(task_id="header-1"), fail.s().set(task_id="header-2")]
    celery.chord(header, succeed.s().set(task_id="body-of-failures")).delay()
    header = [succeed.s().set(task_id="header-3")]
    celery.chord(header, fail_with.s().set(task_id="body-that-fails")).delay()


@app.task
def sends_errbacks() -> None:
    """Send tasks whose failure is handled, by failing."""
    fail.apply_async(task_id="called-back", link_error=called_back.s())
    fail.apply_async(task_id="sent-back", link_error=sent_back.s().set(task_id="errback"))


@app.task
def logs() -> str:
    """Log what it handles."""
    try:
        deeper("handled")
    except Boom:
        log.exception("handled")
    return "handled"


@app.task
def logs_and_fails() -> NoReturn:
    """Log what it raises."""
    try:
        deeper("logged")
    except Boom:
        log.exception("raised again")
        raise


@app.task
def says(tenant: str) -> NoReturn:
    """Set an attribute, and fail."""
    bcd.set_attribute("shop.tenant", tenant)
    fail.apply(throw=True)  # a part of this task


@app.task
def says_in_loop(tenant: str) -> NoReturn:
    """Set one where asyncio runs, also in a thread of it, and fail outside."""

    async def work() -> None:
        bcd.set_attribute("shop.tenant", tenant)
        await asyncio.to_thread(bcd.set_attribute, "shop.thread", tenant)

    asyncio.run(work())
    deeper("after the loop")


@app.task
def says_and_succeeds(tenant: str) -> None:
    """Set one for nothing."""
    bcd.set_attribute("shop.tenant", tenant)


@app.task(bind=True, max_retries=1)
def says_and_retries(self: Any, tenant: str) -> NoReturn:
    """Set one in the first of two attempts."""
    if not self.request.retries:
        bcd.set_attribute("shop.tenant", tenant)
    raise self.retry(exc=Boom("at last"), countdown=0)


def note(error: BaseException, attributes: Mapping[str, str]) -> Mapping[str, str] | None:
    """Write down what is about to be traced, and let it be traced if it is to be seen."""
    told = {
        "type": type(error).__qualname__,
        "text": str(error),
        "functions": [frame.name for frame in traceback.extract_tb(error.__traceback__)],
        "attributes": dict(attributes),
        "pid": os.getpid(),
    }
    with Path(os.environ["NOTES"]).open("a") as notes:
        notes.write(json.dumps(told) + "\n")
    seen = "TRACER" in os.environ or attributes["celery.task_name"].endswith(".is_seen")
    return attributes if seen else None


if "TRACED" in os.environ:
    import bcd
    from bcd.integrations.celery import setup

    tracers = {
        "late": lambda: bcd.PythonTracer(program=Path(__file__).with_name("late_tracer.py")),
        "live": lambda: bcd.BTTracer(path=os.environ["LIVE_TRACER"]),
    }
    bcd.update_config(bcd.GlobalConfig(rate_limit=0))
    setup(tracers.get(os.environ.get("TRACER", ""), bcd.PythonTracer)(), before_trace=note)

if "LOGGED" in os.environ:
    import bcd

    bcd.init(hooks=["logging"], before_trace=note, config=bcd.GlobalConfig(rate_limit=0))

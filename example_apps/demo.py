"""Watch a failing request of the tea shop become a snapshot: ``make demo``.

The shop runs under uvicorn. Customers buy tea, some requests are slow, and one checkout fails.
The demo waits for the snapshot of it, prints ``bcd show``, and says how long the request was
held. It ends with status 0 only if all of that went as it should.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import httpx
from rich.console import Console
from rich.markup import escape

from bcd.errors import SnapshotError
from bcd.store.base import Found
from bcd.store.files import FolderStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bcd.snapshot.model import Snapshot

SHOP = Path(__file__).with_name("starlette_shop.py")
PASSWORD = "correct-horse-battery-staple"  # noqa: S105 - to be looked for in the snapshot
CARD_TOKEN = "tok-4242-4242-4242-4242"  # noqa: S105 - likewise
FAILURE = ("starlette_shop.NoExchangeRate", "KeyError")  # the error and its cause
SUPPLIERS = ("assam", "kyoto", "limoges")
SLOW_SECONDS = 1.5
PATIENCE = 20.0  # seconds for anything that has to happen

console = Console(highlight=False)
print_line = partial(console.print, soft_wrap=True)


class DemoError(Exception):
    """Something that the demo cannot go on without did not happen."""


# ---------------------------------------------------------------- the server


@contextlib.contextmanager
def shop(folder: Path, log: Path) -> Iterator[str]:
    """Run the shop under uvicorn, with its snapshots in a folder; gives its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    # Its connections inherit this; asyncio takes a socket that it was handed for a Unix one.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    command = [sys.executable, "-m", "uvicorn", f"{SHOP.stem}:app", "--app-dir", str(SHOP.parent)]
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: S603 - the shop
            [*command, "--fd", str(listener.fileno()), "--no-access-log"],
            env={**os.environ, "BCD_DIR": str(folder)},
            pass_fds=[listener.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    listener.close()  # the server has it; requests wait there until it has started
    try:
        yield url
    finally:
        stop(server)


def stop(server: subprocess.Popen[bytes]) -> None:
    """End the server, politely first."""
    server.terminate()
    try:
        server.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


# ---------------------------------------------------------------- the customers


@dataclass(frozen=True)
class Reply:
    """What came back, and after how many milliseconds."""

    status: int
    text: str
    milliseconds: float


@dataclass
class Visit:
    """What the customers met with."""

    failed: Reply
    good: list[Reply]
    slow: list[Reply]

    @property
    def usual(self) -> float:
        """Milliseconds of a checkout that succeeds, the median."""
        return statistics.median(reply.milliseconds for reply in self.good)


async def send(client: httpx.AsyncClient, method: str, path: str, **form: Any) -> Reply:
    """Send one request."""
    started = time.perf_counter()
    response = await client.request(method, path, json=form or None)
    milliseconds = (time.perf_counter() - started) * 1000
    return Reply(response.status_code, response.text, milliseconds)


async def buy(client: httpx.AsyncClient, currency: str) -> Reply:
    """Pay for some tea, and print a line about it."""
    order = {"name": "ada", "items": {"sencha": 2, "teapot": 1}, "currency": currency}
    reply = await send(
        client, "POST", "/checkout", password=PASSWORD, card_token=CARD_TOKEN, **order
    )
    colour = "green" if reply.status < 500 else "bold red"  # noqa: PLR2004 - HTTP's
    print_line(
        f"  POST /checkout, {currency}   [{colour}]{reply.status}[/]   {reply.milliseconds:5.1f} ms"
    )
    return reply


async def visit(url: str) -> Visit:
    """Buy tea; then fail to, while slow requests are in flight; then buy some more."""
    connect = partial(httpx.AsyncClient, base_url=url, timeout=PATIENCE, trust_env=False)
    # uvicorn closes the connection of a failed request, which its client must not use again.
    async with connect() as client, connect() as unlucky, asyncio.TaskGroup() as group:
        await send(client, "GET", "/health")  # answered once the shop is open
        await send(unlucky, "GET", "/health")
        slow = [
            group.create_task(send(client, "GET", f"/slow/{name}?seconds={SLOW_SECONDS}"))
            for name in SUPPLIERS
        ]
        print_line(f"  {len(slow)} slow requests of {SLOW_SECONDS} s are in flight")
        good = [await buy(client, currency) for currency in ("EUR", "GBP", "USD", "EUR")]
        failed = await buy(unlucky, "CHF")
        good.append(await buy(client, "EUR"))
        return Visit(failed, good, [await task for task in slow])


def go_shopping(url: str) -> Visit:
    """Be all customers.

    Raises:
        DemoError: A request got no answer.
    """
    try:
        return asyncio.run(visit(url))
    except ExceptionGroup as group:
        raise DemoError(f"a request got no answer: {group.exceptions[0]!r}") from group


# ---------------------------------------------------------------- the snapshot


def wait_for_snapshot(folder: Path) -> None:
    """Return once a snapshot is in the folder.

    Raises:
        DemoError: There is none in time.
    """
    deadline = time.monotonic() + PATIENCE
    while not any(folder.glob("*.bcd.json*")):
        if time.monotonic() > deadline:
            raise DemoError(f"no snapshot was written within {PATIENCE:.0f} s")
        time.sleep(0.02)


def read_snapshot(folder: Path) -> tuple[Snapshot, bytes]:
    """Read the snapshot, as the model and as the document it was made from.

    Raises:
        DemoError: It cannot be read.
    """
    try:
        found = FolderStore(str(folder)).find("latest")
    except SnapshotError as error:
        raise DemoError(f"the snapshot cannot be read: {error}") from error
    if not isinstance(found, Found):
        raise DemoError("what was written is no snapshot")
    return found.snapshot, found.document


def show(folder: Path) -> None:
    """Print what a person sees.

    Raises:
        DemoError: ``bcd show`` failed.
    """
    print_line("\n[bold]$ bcd show[/]")
    program = Path(sys.executable).with_name("bcd")
    status = subprocess.run(  # noqa: S603 - bcd itself
        [program, "show", "--folder", folder], check=False
    ).returncode
    if status:
        raise DemoError(f"bcd show ended with status {status}")


# ---------------------------------------------------------------- what is to be true


def faults(visit: Visit, snapshot: Snapshot, document: bytes) -> list[str]:
    """Say what is not as it should be, a sentence each."""
    return [*faults_of_replies(visit), *faults_of_snapshot(snapshot, document)]


def faults_of_replies(visit: Visit) -> Iterator[str]:
    """Say which customers did not get what the shop alone would have given them."""
    if (visit.failed.status, visit.failed.text) != (500, "Internal Server Error"):
        yield f"the failing checkout was answered {visit.failed.status} {visit.failed.text!r}"
    for reply in (*visit.good, *visit.slow):
        if reply.status not in {200, 201}:
            yield f"a good request was answered {reply.status} {reply.text!r}"


def faults_of_snapshot(snapshot: Snapshot, document: bytes) -> Iterator[str]:
    """Say what the snapshot lacks or should not have."""
    chain = snapshot.exception.list if snapshot.exception is not None else ()
    if {exception.type for exception in chain} != set(FAILURE):
        yield f"its exceptions are {[exception.type for exception in chain]}"
    if snapshot.classifiers != FAILURE[:1]:
        yield f"its classifiers are {snapshot.classifiers}"
    if snapshot.attributes.get("http.route") != "/checkout":
        yield f"its route is {snapshot.attributes.get('http.route')!r}"
    waiting = [task for task in snapshot.tasks if any(f.function == "slow" for f in task.frames)]
    if len(waiting) != len(SUPPLIERS):
        yield f"it has {len(waiting)} of the {len(SUPPLIERS)} slow requests"
    if snapshot.tracer.blocked_ms is None:
        yield "it does not say how long the request was held"
    if b"[redacted]" not in document:
        yield "nothing in it was redacted"
    for secret in (PASSWORD, CARD_TOKEN):
        if secret.encode() in document:
            yield f"the secret {secret!r} is in it"


def conclude(visit: Visit, snapshot: Snapshot, document: bytes) -> None:
    """Say how long the request was held.

    Raises:
        DemoError: Something is not as it should be.
    """
    wrong = faults(visit, snapshot, document)
    if wrong:
        raise DemoError("; ".join(wrong))
    console.print()
    console.rule(style="dim")
    print_line(
        f"bcd held the failing request for [bold]{snapshot.tracer.blocked_ms:.1f} ms[/]. Its "
        f"client had the answer after {visit.failed.milliseconds:.1f} ms,\n"
        f"those of the checkouts that succeeded after {visit.usual:.1f} ms (median). All "
        f"{len(visit.good) + len(visit.slow)} other requests were served.\n"
        "Neither the password nor the card token is in the snapshot."
    )


# ---------------------------------------------------------------- the demo


def run(place: Path) -> None:
    """Run the demo in an empty folder.

    Raises:
        DemoError: Something did not happen or is not as it should be.
    """
    folder, log = place / "snapshots", place / "server.log"
    try:
        with shop(folder, log) as url:
            print_line(f"[bold]The tea shop[/] ({SHOP.name}, uvicorn) at {url}\n")
            visited = go_shopping(url)
            wait_for_snapshot(folder)
        snapshot, document = read_snapshot(folder)
        show(folder)
        conclude(visited, snapshot, document)
    except DemoError as error:
        raise DemoError(f"{error}\n{last_lines(log)}") from error


def last_lines(log: Path) -> str:
    """What the server said last."""
    lines = log.read_text(errors="replace").splitlines()[-12:] if log.exists() else []
    return "\n".join(f"  server: {line}" for line in lines)


def main() -> int:
    """Run the demo; returns the exit status."""
    signal.signal(signal.SIGTERM, _end)
    try:
        with tempfile.TemporaryDirectory(prefix="bcd-demo-", ignore_cleanup_errors=True) as place:
            run(Path(place))
    except DemoError as error:
        print_line(f"\n[bold red]The demo failed:[/] {escape(str(error))}")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _end(number: int, _: object) -> NoReturn:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())

"""Load for a server: by ``wrk`` where it is installed, else by a small generator of our own."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import time
from typing import NamedTuple

__all__ = ["Load", "ask_again", "press"]

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Load(NamedTuple):
    """What came of a load; latencies are in ms."""

    rate: float
    p50: float
    p99: float


def press(url: str, seconds: int, connections: int) -> Load:
    """Keep so many connections busy with one address."""
    if shutil.which("wrk"):
        return _by_wrk(url, seconds, connections)
    return asyncio.run(_by_hand(url, seconds, connections))


def _by_wrk(url: str, seconds: int, connections: int) -> Load:
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert rate is not None, said
    return Load(float(rate[1]), _percentile(said, 50), _percentile(said, 99))


def _percentile(said: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s|m)", said)
    assert found is not None, said
    return float(found[1]) * _UNITS[found[2]]


async def _by_hand(url: str, seconds: int, connections: int) -> Load:
    times: list[float] = []
    ends = time.perf_counter() + seconds
    await asyncio.gather(*(_connection(url, ends, times) for _ in range(connections)))
    times.sort()
    return Load(len(times) / seconds, times[len(times) // 2], times[len(times) * 99 // 100])


async def _connection(url: str, ends: float, times: list[float]) -> None:
    while (start := time.perf_counter()) < ends:
        client = await Client.to(url)  # uvicorn ends the connection on an error
        await client.get()
        client.close()
        times.append((time.perf_counter() - start) * 1000)


async def ask_again(url: str, until: asyncio.Event) -> list[float]:
    """Ask one address over and over on one connection; returns each time in ms."""
    client, times = await Client.to(url), []
    while not until.is_set():
        start = time.perf_counter()
        await client.get()
        times.append((time.perf_counter() - start) * 1000)
    client.close()
    return times


class Client:
    """One connection that asks for one address."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._request = request

    @classmethod
    async def to(cls, url: str) -> Client:
        """Connect to an address such as ``http://127.0.0.1:8000/ping``."""
        host, _, path = url.removeprefix("http://").partition("/")
        name, _, port = host.partition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        return cls(reader, writer, f"GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    async def get(self) -> None:
        """Send one request and read its answer."""
        self._writer.write(self._request)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"content-length: (\d+)", head)
        if length is not None:
            await self._reader.readexactly(int(length[1]))

    def close(self) -> None:
        """End the connection."""
        self._writer.close()

"""One POST that is over in time, tried again where that may help, and shows no secret.

Source: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after.
"""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from bcd.errors import ConfigError, SendError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

    from bcd.send.service import Address

__all__ = ["Patience", "post"]

_MOST_ANSWERED = 64 * 1024  # bytes; no service says more

_ADVICE: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "the key or token is not accepted; check it",
    HTTPStatus.FORBIDDEN: "the key or token is not accepted; check it",
    HTTPStatus.NOT_FOUND: "check the address",
    HTTPStatus.METHOD_NOT_ALLOWED: "check the address",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "it is larger than the server takes",
}
_OF_ONE = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""Statuses that say something of what was sent, not of the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to try.

    Attributes:
        timeout: Seconds for one try, above 0.
        tries: How many at most.
        longest_wait: Seconds between two tries at most; a server that asks for more is not
            tried again.
        sleep: Waits so many seconds.
        say: Told of each wait.
    """

    timeout: float = 30
    tries: int = 4
    longest_wait: float = 30
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda _: None


def post(
    address: Address, headers: Mapping[str, str], body: bytes, patience: Patience | None = None
) -> bytes:
    """Deliver a body.

    Args:
        address: Where to; redirects are not followed.
        headers: Of the body.
        body: All of it.
        patience: How long to try.

    Returns:
        What the server answered with a status of success.

    Raises:
        SendError: It was not accepted. ``of_one`` tells whether another one might be.
        ConfigError: httpx is not installed, or an address that it cannot use.
    """
    try:
        import httpx  # an extra
    except ModuleNotFoundError as error:
        if error.name != "httpx":
            raise
        install = f"{sys.executable} -m pip install 'httpx>=0.27'"
        raise ConfigError(f"sending needs httpx, which is not installed; run {install}") from None
    wanted = patience or Patience()
    try:
        client = httpx.Client(timeout=wanted.timeout, follow_redirects=False)
    except (httpx.InvalidURL, ValueError):  # it says the address, password and all
        raise ConfigError("the proxy that the environment names cannot be used") from None
    with client:
        plain = {"Accept-Encoding": "identity", "Connection": "close"}
        with _silence("httpx"):  # which logs the address, token and all
            sent = {**plain, **address.headers, **headers}
            return _Delivery(client, address, wanted).run(sent, body)


@contextmanager
def _silence(name: str) -> Iterator[None]:
    """Let a library log nothing meanwhile."""
    logger = logging.getLogger(name)

    def nothing(_: logging.LogRecord) -> bool:
        return False

    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: str | None


class _Delivery:
    """The tries of one POST."""

    def __init__(self, client: httpx.Client, address: Address, patience: Patience) -> None:
        self._client = client
        self._address = address
        self._patience = patience

    def run(self, headers: Mapping[str, str], body: bytes) -> bytes:
        """Try until it is accepted, refused, or the patience is at its end."""
        for number in range(1, self._patience.tries + 1):
            answer = self._try(headers, body)
            if isinstance(answer, _Answer) and _accepted(answer.status):
                return answer.body
            problem = answer if isinstance(answer, str) else self._problem(answer)
            wait = 2.0 ** (number - 1) if isinstance(answer, str) else _wait(answer, number)
            if wait is None or number == self._patience.tries:
                raise SendError(self._address.clean(problem), of_one=_of_one(answer))
            if wait > self._patience.longest_wait:
                problem = f"{problem}; it wants to be left alone for {wait:,.0f} s"
                raise SendError(self._address.clean(problem))
            self._patience.say(f"{self._address.clean(problem)}; trying again in {wait:g} s")
            self._patience.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _try(self, headers: Mapping[str, str], body: bytes) -> _Answer | str:
        """Return what was answered, or a passing reason why nothing was."""
        import httpx  # loaded by now

        server, allowed = self._address.server, self._patience.timeout
        try:
            return self._ask(headers, body)
        except httpx.InvalidURL:  # it says the address, secrets and all
            raise ConfigError(f"the address of {server} cannot be used") from None
        except httpx.ConnectError as error:
            problem = f"{server} cannot be reached: {str(error) or 'no connection'}"
            raise SendError(self._address.clean(problem)) from None
        except (httpx.TimeoutException, TimeoutError):
            return f"{server} gave no answer within {allowed:g} s"
        except httpx.TransportError as error:
            return f"{server} broke off: {str(error) or type(error).__name__}"

    def _ask(self, headers: Mapping[str, str], body: bytes) -> _Answer:
        ends_at = time.monotonic() + self._patience.timeout
        request = self._client.stream("POST", self._address.url, content=body, headers=headers)
        with request as response:
            found = b""
            for piece in response.iter_raw():
                found += piece
                if time.monotonic() >= ends_at:  # httpx bounds each single step only
                    raise TimeoutError
                if len(found) >= _MOST_ANSWERED:
                    break
            return _Answer(response.status_code, found, response.headers.get("retry-after"))

    def _problem(self, answer: _Answer) -> str:
        said = f"{self._address.server} answered {answer.status} {_phrase(answer.status)}".rstrip()
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            return f"{said}; redirects are not followed, check the address"
        advice = _ADVICE.get(answer.status)
        reason = _reason(answer.body)
        return "; ".join(part for part in (said, advice, reason) if part)


def _accepted(status: int) -> bool:
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def _of_one(answer: _Answer | str) -> bool:
    return isinstance(answer, _Answer) and answer.status in _OF_ONE


def _reason(body: bytes) -> str:
    """What an error says in plain text or JSON; nothing of a page."""
    text = body.decode("utf-8", "replace").strip()
    return "" if text.startswith("<") else text


def _wait(answer: _Answer, number: int) -> float | None:
    """Seconds until the next try; None where another one would not help."""
    passing = answer.status == HTTPStatus.TOO_MANY_REQUESTS or (
        answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        and answer.status != HTTPStatus.NOT_IMPLEMENTED
    )
    if not passing:
        return None
    asked = _seconds(answer.retry_after)
    return 2.0 ** (number - 1) if asked is None else asked


def _seconds(retry_after: str | None) -> float | None:
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after[:12])
    try:
        moment = parsedate_to_datetime(retry_after)
    except (TypeError, ValueError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""

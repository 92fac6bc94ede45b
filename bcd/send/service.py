"""What every service that takes snapshots has in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bcd.snapshot.model import Snapshot

__all__ = ["Address", "Prepared", "Service"]

_SHORTEST_SECRET = 4  # characters; what is shorter is part of many words
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is to be sent of one snapshot.

    Attributes:
        id: By which the service knows it: the same however often it is sent.
        document: JSON's types.
        left_out: What the service's limits left no room for, a few words each, least important
            first.
    """

    id: str
    document: Mapping[str, Any]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to.

    Attributes:
        server: Scheme, host and port, as messages may show them.
        url: All of it.
        headers: What names the sender.
        secrets: What no message may show.
    """

    server: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def clean(self, text: str) -> str:
        """Make words of a server fit for one line, without what it was told in confidence."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            if len(secret) >= _SHORTEST_SECRET:
                for form in (secret, quote(secret, safe=""), quote(secret)):
                    text = text.replace(form, "[redacted]")
        text = " ".join(text.split())
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


class Service(Protocol):
    """A service that takes snapshots."""

    name: str

    def address(self, where: str | None, environment: Mapping[str, str]) -> Address:
        """Find out where the service is.

        Args:
            where: What the user gave, None for nothing.
            environment: Where the service's own variables are.

        Raises:
            ConfigError: It is no address, or none is given. The message shows no secret.
        """

    def prepare(self, snapshot: Snapshot) -> Prepared:
        """Make the document of a snapshot."""

    def body(self, prepared: Prepared, attachment: bytes | None) -> tuple[dict[str, str], bytes]:
        """Put the document into the body of a request.

        Args:
            prepared: The document.
            attachment: The snapshot's own document, to be sent with it; None for a service that
                takes no attachments.

        Returns:
            Headers that describe the body, and the body.
        """

    def receipt(self, prepared: Prepared, answer: bytes) -> str:
        """Return the id under which the service has it.

        Args:
            prepared: What was sent.
            answer: What the service said with a status of success.

        Raises:
            SendError: It did not take it nevertheless.
        """

"""JSON for strict readers, ids as they want them, and addresses without their secrets."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from bcd.errors import ConfigError
from bcd.snapshot.format import is_id

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["address_parts", "hex_id", "json_bytes", "json_object", "server_of"]

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SURROGATE = re.compile("[\ud800-\udfff]")


def hex_id(snapshot_id: str) -> str:
    """Return the 128 bits of a snapshot's id as 32 hexadecimal digits.

    An id that is no ULID, as a program other than bcd may have written it, gives those of its
    hash.
    """
    if is_id(snapshot_id):
        number = 0
        for char in snapshot_id:
            number = number << 5 | _DIGITS.index(char)
        return f"{number:032x}"
    data = snapshot_id.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:32]


def json_bytes(document: Mapping[str, Any]) -> bytes:
    r"""Write compact JSON in UTF-8.

    A lone surrogate, which strict readers refuse, becomes the text ``\udc80``.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text).encode()


def json_object(answer: bytes) -> dict[str, Any] | None:
    """Read a JSON object that a service answered; None where it is no such thing."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def address_parts(where: str, what: str, example: str) -> SplitResult:
    """Take an address apart.

    Args:
        where: As the user gave it.
        what: How messages call it.
        example: One that would be accepted.

    Raises:
        ConfigError: It is none. The message shows nothing of it, for it may hold a secret.
    """
    try:
        parts = urlsplit(where)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        usable = None
    if not usable or not where.isprintable() or not where.isascii() or " " in where:
        raise ConfigError(f"the {what} is no address of a server; accepted is one like {example}")
    return parts


def server_of(parts: SplitResult) -> str:
    """Return scheme, host and port, without user, path and query."""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"

"""Where a DSN leads, and the envelope that goes there.

Source: https://develop.sentry.dev/sdk/data-model/envelopes/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from bcd._version import __version__
from bcd.errors import ConfigError, SendError
from bcd.send.encoding import address_parts, json_bytes, json_object, server_of
from bcd.send.sentry.event import event_of
from bcd.send.sentry.fitting import fitted, packed
from bcd.send.service import Address, Prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bcd.snapshot.model import Snapshot

__all__ = ["Sentry"]

_CLIENT = f"bcd/{__version__}"
_EXAMPLE = "https://key@o1.ingest.sentry.io/2"


class Sentry:
    """Sentry, or what understands its envelopes."""

    name = "sentry"

    def address(self, where: str | None, environment: Mapping[str, str]) -> Address:
        """Take a DSN apart: that of ``--dsn``, else of ``SENTRY_DSN``."""
        dsn = where or environment.get("SENTRY_DSN")
        if not dsn:
            raise ConfigError("Sentry needs a DSN: set SENTRY_DSN, or give --dsn")
        parts = address_parts(dsn, "DSN", _EXAMPLE)
        path, _, project = parts.path.rpartition("/")
        if not parts.username or not project.isdecimal():
            lacking = "project" if parts.username else "key"
            raise ConfigError(f"the DSN has no {lacking}; accepted is one like {_EXAMPLE}")
        key, secret = unquote(parts.username), unquote(parts.password or "")
        if not f"{key}{secret}".isascii() or not f"{key}{secret}".isprintable():
            raise ConfigError(f"the key of the DSN cannot be used; accepted is one like {_EXAMPLE}")
        auth = f"Sentry sentry_version=7, sentry_client={_CLIENT}, sentry_key={key}"
        server = server_of(parts)
        return Address(
            server=server,
            url=f"{server}{path}/api/{project}/envelope/",
            headers={"X-Sentry-Auth": f"{auth}, sentry_secret={secret}" if secret else auth},
            secrets=(key, secret),
        )

    def prepare(self, snapshot: Snapshot) -> Prepared:
        """Make an event that is not larger than Sentry takes."""
        event, left_out = fitted(event_of(snapshot))
        return Prepared(id=event["event_id"], document=event, left_out=left_out)

    def body(self, prepared: Prepared, attachment: bytes | None) -> tuple[dict[str, str], bytes]:
        """Put the event, and the whole snapshot if it is wanted, into an envelope."""
        lines = [
            json_bytes({"event_id": prepared.id, "sdk": {"name": "bcd", "version": __version__}}),
            *_item(json_bytes(prepared.document), type="event", content_type="application/json"),
        ]
        if attachment is not None:
            name = f"{prepared.document['contexts']['bcd']['id']}.bcd.json"
            kind = "application/json"
            lines += _item(attachment, type="attachment", filename=name, content_type=kind)
        headers = {"Content-Type": "application/x-sentry-envelope", "Content-Encoding": "gzip"}
        return headers, packed(b"\n".join(lines) + b"\n")

    def receipt(self, prepared: Prepared, answer: bytes) -> str:
        """Return the id that Sentry says, which is the one that it was given."""
        found = json_object(answer)
        if found is None:
            raise SendError("the answer is none of Sentry; check the DSN")
        return str(found.get("id") or prepared.id)


def _item(payload: bytes, **header: str) -> list[bytes]:
    return [json_bytes({**header, "length": len(payload)}), payload]

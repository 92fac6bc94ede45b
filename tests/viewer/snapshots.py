"""Snapshots of a shop in its bad hours, made from the sample."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from bcd.snapshot import from_dict, to_dict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bcd.snapshot.model import Snapshot

__all__ = ["NOW", "Kind", "documents", "fingerprint_of", "made", "shop"]

NOW = datetime(2026, 11, 25, 3, 12, 40, tzinfo=UTC)
SAMPLE = from_dict(
    json.loads((Path(__file__).parents[1] / "samples" / "checkout.bcd.json").read_bytes())
)
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Errors of one kind."""

    type: str
    message: str
    ages: tuple[float, ...]
    service: str = "shop"
    releases: tuple[tuple[float, str], ...] = ((0.0, "2026.11.2"), (30.0, "2026.11.1"))
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    suppressed: int = 0


def fingerprint_of(kind: str) -> str:
    """The fingerprint of the errors of a type."""
    return hashlib.sha256(kind.encode()).hexdigest()[:16]


def made(  # noqa: PLR0913 - all that the viewer shows
    type_: str,
    message: str,
    created: datetime,
    *,
    attributes: Mapping[str, str] | None = None,
    host: str = "shop-7d9f",
    fingerprint: str | None = None,
    snapshot_id: str | None = None,
) -> Snapshot:
    """Make a snapshot of one error."""
    chain = SAMPLE.exception
    assert chain is not None
    first = replace(chain.list[chain.root], type=type_, message=message)
    fingerprint = fingerprint or fingerprint_of(type_)
    return replace(
        SAMPLE,
        id=snapshot_id or id_at(created, fingerprint + message),
        created=created,
        reason=replace(SAMPLE.reason, fingerprint=fingerprint),
        process=replace(SAMPLE.process, host=host),
        attributes=dict(attributes or {}),
        classifiers=(type_,),
        exception=replace(chain, list=(first, *chain.list[1:])),
    )


def id_at(created: datetime, salt: str) -> str:
    """Make an id that sorts by its time."""
    rest = int.from_bytes(hashlib.sha256(f"{created}{salt}".encode()).digest()[:10], "big")
    number = int(created.timestamp() * 1000) << 80 | rest
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def documents(snapshots: list[Snapshot]) -> Iterator[tuple[str, bytes]]:
    """Id and document of each."""
    for each in snapshots:
        yield each.id, json.dumps(to_dict(each)).encode()


def shop(now: datetime = NOW) -> list[Snapshot]:
    """Some hours of a shop: a release that broke the checkout, and what is always there."""
    dice = random.Random(7)  # noqa: S311 - the same pictures each time
    return [each for kind in _kinds(dice) for each in _snapshots(kind, now, dice)]


def _snapshots(kind: Kind, now: datetime, dice: random.Random) -> Iterator[Snapshot]:
    for number, hours in enumerate(kind.ages):
        created = now - timedelta(hours=hours)
        release = [name for age, name in kind.releases if hours >= age][-1]
        told = {key: dice.choice(values) for key, values in kind.attributes.items()}
        counted = dice.randint(0, kind.suppressed) if kind.suppressed else 0
        common = {
            "service.name": kind.service,
            "service.version": release,
            "deployment.environment.name": "production",
            "bcd.suppressed": str(counted),
        }
        message = kind.message.format(order=dice.randint(1000, 9999), **told)
        host = f"{kind.service}-{dice.choice(['7d9f', '4c1a', 'b83e'])}"
        attributes = {key: value for key, value in told.items() if not key.startswith("_")}
        yield made(
            kind.type,
            message,
            created + timedelta(milliseconds=number),
            attributes=common | {"error": message} | attributes,
            host=host,
        )


def _kinds(dice: random.Random) -> list[Kind]:
    def spread(many: int, youngest: float, oldest: float) -> tuple[float, ...]:
        return tuple(sorted(dice.uniform(youngest, oldest) for _ in range(many)))

    request = {"http.request.method": ("POST",), "http.route": ("/checkout",)}
    return [
        Kind(
            type="shop.payment.NoExchangeRate",
            message="no rate for 'CHF' today",
            ages=spread(42, 0.02, 2.4),
            suppressed=60,
            releases=((0.0, "2026.11.2"),),
            attributes=request
            | {
                "http.response.status_code": ("500",),
                "shop.currency": ("CHF",),
                "shop.country": ("CH", "CH", "CH", "CH", "CH", "CH", "LI", "DE"),
                "shop.cart.lines": ("1", "1", "2", "2", "3", "5"),
            },
        ),
        Kind(
            type="sqlalchemy.exc.TimeoutError",
            message="QueuePool limit of size 5 overflow 10 reached, connection timed out, "
            "timeout 30.00",
            ages=(*spread(16, 0.1, 2.2), *spread(4, 40, 160)),
            suppressed=9,
            attributes={
                "http.request.method": ("GET", "POST"),
                "http.route": ("/orders/{number}", "/basket", "/checkout"),
            },
        ),
        Kind(
            type="KeyError",
            message="'discount_code'",
            ages=spread(23, 0.6, 120),
            suppressed=2,
            attributes=request | {"http.route": ("/basket/discount",)},
        ),
        Kind(
            type="httpx.ConnectTimeout",
            message="supplier 'nordlicht' did not answer within 5 s",
            ages=(*spread(8, 3, 9), *spread(30, 9, 150)),
            service="stock",
            releases=((0.0, "41"), (70.0, "40")),
            attributes={"celery.task_name": ("stock.refresh",), "supplier": ("nordlicht",)},
        ),
        Kind(
            type="shop.orders.OrderLocked",
            message="order {order} is being changed by someone else",
            ages=spread(61, 5, 166),
            attributes={
                "http.request.method": ("PUT",),
                "http.route": ("/orders/{number}",),
                "shop.channel": ("web", "web", "web", "app", "partner"),
            },
        ),
        Kind(
            type="UnicodeDecodeError",
            message="'utf-8' codec can't decode byte 0xfc in position 18: invalid start byte",
            ages=spread(3, 50, 140),
            service="import",
            releases=((0.0, "7"),),
            attributes={"celery.task_name": ("imports.price_list",)},
        ),
    ]

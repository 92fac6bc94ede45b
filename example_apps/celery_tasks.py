"""A small print shop whose work is done by Celery. Two lines of it are about bcd, at the end.

Start a worker, with a Redis server beside it, and order a poster::

    celery --workdir example_apps --app celery_tasks worker
    celery --workdir example_apps --app celery_tasks call celery_tasks.order \
        --kwargs '{"sizes": ["A2"], "country": "PT", "card_token": "…"}'

An order is charged, printed and handed to the courier, one task after the other. The courier
is busy the first time, so that task is retried, which is no error.

Order a size that the shop has no paper for, "B1" say, and the charge fails deep inside the
price list. The worker goes on; ``bcd show`` tells you the rest.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import celery

app = celery.Celery("print shop", broker="redis://localhost")

# ---------------------------------------------------------------- paper and prices


class NoPaper(Exception):  # noqa: N818 - says it all
    """The shop cannot print a size."""


class CourierBusy(Exception):  # noqa: N818 - likewise
    """Nobody is there to take a parcel."""


@dataclass(frozen=True)
class Sheet:
    """A sheet of paper; prices are in euros, areas in square metres."""

    area: Decimal
    price_of_area: Decimal = Decimal(12)

    def price(self) -> Decimal:
        """What it costs with the ink on it."""
        return self.area * self.price_of_area


class Paper:
    """All the paper that there is."""

    sheets = {"A1": Sheet(Decimal("0.5")), "A2": Sheet(Decimal("0.25"))}  # noqa: RUF012

    def sheet(self, size: str) -> Sheet:
        """A sheet of that size."""
        try:
            return self.sheets[size]
        except KeyError as missing:
            raise NoPaper(f"no paper of size {size!r}") from missing


@dataclass
class PriceList:
    """Knows what posters cost."""

    paper: Paper

    def poster(self, size: str) -> Decimal:
        """The price of one poster in euros."""
        return self.paper.sheet(size).price() + 1

    def posters(self, sizes: list[str]) -> Decimal:
        """The price of all of them."""
        return sum((self.poster(size) for size in sizes), Decimal(0))


# ---------------------------------------------------------------- orders and their payment


@dataclass
class Order:
    """What somebody wants to have printed."""

    sizes: list[str]
    country: str

    def amount(self, prices: PriceList) -> Decimal:
        """What is to be paid, in euros, the parcel included."""
        return prices.posters(self.sizes) + (3 if self.country == "PT" else 8)


class PaymentGateway:
    """Charges cards; stands in for the service of a payment company."""

    def charge(self, card_token: str, order: Order) -> str:
        """Charge a card and return the number of the receipt."""
        if not card_token:
            raise ValueError("a card is needed")
        return self._settle(order)

    def _settle(self, order: Order) -> str:
        return f"{secrets.token_hex(4)}/{order.amount(prices)} EUR"


prices = PriceList(Paper())
gateway = PaymentGateway()

# ---------------------------------------------------------------- tasks


@app.task
def order(sizes: list[str], country: str, card_token: str) -> None:
    """Have posters charged, printed and sent."""
    work = charge.s(sizes, country, card_token) | produce.s(sizes) | hand_over.s()
    work.delay()


@app.task
def charge(sizes: list[str], country: str, card_token: str) -> str:
    """Charge the card; returns the number of the receipt."""
    return gateway.charge(card_token, Order(sizes, country))


@app.task
def produce(receipt: str, sizes: list[str]) -> dict[str, Any]:
    """Print the posters; returns the parcel."""
    return {"receipt": receipt, "posters": len(sizes)}


@app.task(bind=True, autoretry_for=(CourierBusy,), default_retry_delay=0)
def hand_over(self: Any, parcel: dict[str, Any]) -> dict[str, Any]:
    """Give the parcel to the courier, who comes for it at the second call."""
    if self.request.retries == 0:
        raise CourierBusy("call again")
    return parcel


# ---------------------------------------------------------------- the two lines of bcd

from bcd.integrations.celery import setup  # noqa: E402 - to be seen together

setup()

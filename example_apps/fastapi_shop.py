"""A small flower shop on FastAPI. Two lines of it are about bcd; look for them at the end.

Start it and buy something::

    uvicorn fastapi_shop:app --app-dir example_apps
    curl -X POST localhost:8000/login --json '{"name": "ada", "password": "…"}'  # your session
    curl -X POST localhost:8000/cart/tulip -H 'Session: …' --json '{"quantity": 9}'
    curl -X POST localhost:8000/checkout \
         --json '{"name": "ada", "password": "…", "card_token": "…", "day": "monday"}'

Each worker keeps its own books. With several of them send the whole order to the checkout, as
``"items": {"tulip": 9}``.

Have the flowers brought on a day on which no courier works, "sunday" say, and the order fails
deep inside the payment gateway, which asks for the fee. The customer gets a plain 500;
``bcd show`` tells you the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# ---------------------------------------------------------------- what the shop sells


@dataclass(frozen=True)
class Flower:
    """Something to buy; prices are in euros."""

    name: str
    price: Decimal


FLOWERS = {
    flower.name: flower
    for flower in (
        Flower("tulip", Decimal("1.20")),
        Flower("peony", Decimal("3.50")),
        Flower("daisy", Decimal("0.80")),
    )
}
FRESH = dict.fromkeys(FLOWERS, 100)


# ---------------------------------------------------------------- cart and prices


class NoCourier(Exception):  # noqa: N818 - says it all
    """Nobody brings flowers on a day."""


class Couriers:
    """Know what it costs to bring flowers."""

    fees = {"monday": Decimal(4), "friday": Decimal(4), "saturday": Decimal(6)}  # noqa: RUF012

    def fee(self, day: str, flowers: int) -> Decimal:
        """The price of a ride in euros; many flowers need a van."""
        return self.ride(day) * (2 if flowers > 50 else 1)  # noqa: PLR2004 - the van's price

    def ride(self, day: str) -> Decimal:
        """Euros for a ride by bicycle."""
        try:
            return self.fees[day]
        except KeyError as missing:
            raise NoCourier(f"no courier on {day!r}") from missing


@dataclass
class Pricing:
    """Adds up a cart: the flowers and the courier."""

    flowers: list[Flower]
    couriers: Couriers = field(default_factory=Couriers)

    def goods(self) -> Decimal:
        """The price of the flowers in euros."""
        return sum((flower.price for flower in self.flowers), Decimal(0))

    def delivery(self, day: str) -> Decimal:
        """The price of the courier in euros."""
        return self.couriers.fee(day, len(self.flowers))

    def total(self, day: str) -> Decimal:
        """The price of everything in euros."""
        return self.goods() + self.delivery(day)


@dataclass
class Cart:
    """What a customer is about to buy."""

    flowers: list[Flower] = field(default_factory=list)

    def add(self, flower: Flower, quantity: int) -> None:
        """Put more into the cart."""
        self.flowers.extend([flower] * quantity)

    async def pay(self, gateway: PaymentGateway, card_token: str, day: str) -> Order:
        """Turn the cart into a paid order."""
        order = Order(next(order_numbers), Pricing(self.flowers), day)
        await order.pay(gateway, card_token)
        self.flowers = []
        return order


@dataclass
class Order:
    """A cart that somebody wants to pay."""

    number: int
    pricing: Pricing
    day: str
    receipt: str | None = None

    async def pay(self, gateway: PaymentGateway, card_token: str) -> None:
        """Have the payment gateway charge the card."""
        self.receipt = await gateway.charge(card_token, self)

    def amount(self) -> Decimal:
        """What is to be paid, in euros."""
        return self.pricing.total(self.day)


order_numbers = itertools.count(3001)


# ---------------------------------------------------------------- the payment gateway


class PaymentGateway:
    """Charges cards; stands in for the service of a payment company."""

    async def charge(self, card_token: str, order: Order) -> str:
        """Charge a card and return the number of the receipt."""
        return await self._authorise(card_token, order)

    async def _authorise(self, card_token: str, order: Order) -> str:
        if not card_token:
            raise HTTPException(402, "a card is needed")
        await asyncio.sleep(0)  # a real one would ask the bank here
        return self._settle(order)

    def _settle(self, order: Order) -> str:
        return f"{secrets.token_hex(4)}/{order.amount()} EUR"


async def payment_gateway() -> AsyncIterator[PaymentGateway]:
    """A connection to the payment company for one request."""
    gateway = PaymentGateway()
    yield gateway
    await asyncio.sleep(0)  # a real one would be closed here


# ---------------------------------------------------------------- customers


@dataclass
class Customer:
    """Somebody who logged in once; the password itself is not kept."""

    name: str
    salt: bytes
    proof: bytes
    cart: Cart = field(default_factory=Cart)

    def knows(self, password: str) -> bool:
        """Whether that is the customer's password."""
        return secrets.compare_digest(self.proof, prove(password, self.salt))


def prove(password: str, salt: bytes) -> bytes:
    """What is kept of a password."""
    return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1000)


customers: dict[str, Customer] = {}
sessions: dict[str, Customer] = {}


def log_in(name: str, password: str) -> Customer:
    """Let a customer in; the first password is the right one."""
    if name not in customers:
        salt = secrets.token_bytes(16)
        customers[name] = Customer(name, salt, prove(password, salt))
    if not customers[name].knows(password):
        raise HTTPException(403, "wrong password")
    return customers[name]


def customer_of(session: Annotated[str, Header()] = "") -> Customer:
    """Who sent the request."""
    if session not in sessions:
        raise HTTPException(401, "log in first")
    return sessions[session]


def flower_called(name: str) -> Flower:
    """The flower of that name."""
    if name not in FLOWERS:
        raise HTTPException(404, "we do not sell that")
    return FLOWERS[name]


# ---------------------------------------------------------------- pages


class Login(BaseModel):
    """Who somebody says to be."""

    name: str
    password: str


class Purchase(Login):
    """What is sent to the checkout."""

    card_token: str
    items: dict[str, int] = {}
    day: str = "monday"


class Quantity(BaseModel):
    """How many of a flower."""

    quantity: int = 1


@contextlib.asynccontextmanager
async def opening_hours(_: FastAPI) -> AsyncIterator[None]:
    """Water the flowers from the shop's opening to its closing."""
    watering = asyncio.create_task(water(), name="water")
    yield
    watering.cancel()


app = FastAPI(lifespan=opening_hours)
carts = APIRouter(prefix="/cart")


@app.get("/health")
async def health() -> dict[str, str]:
    """Tell a load balancer that the shop is open."""
    return {"status": "open"}


@app.get("/flowers")
async def flowers() -> dict[str, str]:
    """List what there is."""
    return {name: str(flower.price) for name, flower in FLOWERS.items()}


@app.post("/login")
async def login(form: Login) -> dict[str, str]:
    """Open a session."""
    session = secrets.token_urlsafe()
    sessions[session] = log_in(form.name, form.password)
    return {"session": session}


@carts.get("/")
async def show_cart(customer: Annotated[Customer, Depends(customer_of)]) -> dict[str, str | int]:
    """Show what is in the cart."""
    cart = customer.cart
    return {"total": str(Pricing(cart.flowers).goods()), "flowers": len(cart.flowers)}


@carts.post("/{name}", status_code=201)
async def add_to_cart(
    flower: Annotated[Flower, Depends(flower_called)],
    customer: Annotated[Customer, Depends(customer_of)],
    form: Quantity,
) -> dict[str, int]:
    """Put flowers into the cart."""
    customer.cart.add(flower, form.quantity)
    return {"added": form.quantity}


@app.post("/checkout", status_code=201)
async def checkout(
    form: Purchase,
    gateway: Annotated[PaymentGateway, Depends(payment_gateway)],
    tasks: BackgroundTasks,
) -> dict[str, str | int | None]:
    """Pay for the cart; asks for the password once more."""
    customer = log_in(form.name, form.password)
    for name, quantity in form.items.items():
        customer.cart.add(flower_called(name), quantity)
    order = await customer.cart.pay(gateway, form.card_token, form.day)
    tasks.add_task(bind, order)
    return {"order": order.number, "receipt": order.receipt}


@app.get("/slow/{name}")
async def slow(name: str, seconds: float = 1.0) -> dict[str, str | float]:
    """Ask a gardener, who takes their time."""
    seconds = min(seconds, 60)
    await asyncio.sleep(seconds)
    return {"gardener": name, "waited": seconds}


app.include_router(carts)


# ---------------------------------------------------------------- work in the background


async def bind(order: Order) -> None:
    """Make a bouquet; runs after the customer has the answer."""
    for flower in order.pricing.flowers:
        FRESH[flower.name] -= 1


async def water(every: float = 30.0) -> None:
    """Keep the flowers fresh as long as the shop is open."""
    while True:
        await asyncio.sleep(every)
        for name in FRESH:
            FRESH[name] = 100


# ---------------------------------------------------------------- the two lines of bcd

from bcd.integrations.starlette import instrument  # noqa: E402 - to be seen together

instrument(app)

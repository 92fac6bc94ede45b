"""A small tea shop on Starlette. Two lines of it are about bcd; look for them at the end.

Start it and buy something::

    uvicorn starlette_shop:app --app-dir example_apps
    curl -X POST localhost:8000/login -d '{"name": "ada", "password": "…"}'   # says your session
    curl -X POST localhost:8000/cart/sencha -H 'Session: …' -d '{"quantity": 2}'
    curl -X POST localhost:8000/checkout \
         -d '{"name": "ada", "password": "…", "card_token": "…", "currency": "EUR"}'

Each worker keeps its own books. With several of them send the whole order to the checkout, as
``"items": {"sencha": 2}``.

Pay in a currency that the bank has no rate for, "CHF" say, and the order fails deep inside the
payment gateway. The customer gets a plain 500; ``bcd show`` tells you the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

# ---------------------------------------------------------------- what the shop sells


@dataclass(frozen=True)
class Product:
    """Something to buy; prices are in euros."""

    name: str
    price: Decimal


PRODUCTS = {
    product.name: product
    for product in (
        Product("sencha", Decimal("9.50")),
        Product("assam", Decimal("7.20")),
        Product("teapot", Decimal("34.00")),
    )
}
STOCK = dict.fromkeys(PRODUCTS, 20)


# ---------------------------------------------------------------- cart and prices


@dataclass
class Line:
    """So many of one product."""

    product: Product
    quantity: int

    def total(self) -> Decimal:
        """The price of the line in euros."""
        return self.product.price * self.quantity


@dataclass
class Cart:
    """What a customer is about to buy."""

    lines: list[Line] = field(default_factory=list)

    def add(self, product: Product, quantity: int) -> None:
        """Put more into the cart."""
        self.lines.append(Line(product, quantity))

    async def pay(self, gateway: PaymentGateway, card_token: str, currency: str) -> Order:
        """Turn the cart into a paid order."""
        order = Order(next(order_numbers), self.lines, Pricing(self.lines).total())
        await order.pay(gateway, card_token, currency)
        self.lines = []
        return order


@dataclass
class Pricing:
    """Adds up a cart; from 50 euros on the parcel is free."""

    lines: list[Line]
    parcel: Decimal = Decimal("4.90")
    free_from: Decimal = Decimal(50)

    def total(self) -> Decimal:
        """The price of everything in euros."""
        goods = sum((line.total() for line in self.lines), Decimal(0))
        return goods if goods >= self.free_from else goods + self.parcel


@dataclass
class Order:
    """A cart that somebody wants to pay."""

    number: int
    lines: list[Line]
    total: Decimal
    receipt: str | None = None

    async def pay(self, gateway: PaymentGateway, card_token: str, currency: str) -> None:
        """Have the payment gateway charge the card."""
        self.receipt = await gateway.charge(card_token, self.total, currency)


order_numbers = itertools.count(1001)


# ---------------------------------------------------------------- the payment gateway


class NoExchangeRate(Exception):  # noqa: N818 - says it all
    """The bank does not deal in a currency."""


class Bank:
    """Knows what a euro is worth today."""

    margin = Decimal("0.01")
    rates = {"EUR": Decimal(1), "GBP": Decimal("0.85"), "USD": Decimal("1.08")}  # noqa: RUF012

    async def convert(self, euros: Decimal, currency: str) -> Decimal:
        """An amount in another currency, to the cent."""
        return (euros * self.quote(currency)).quantize(Decimal("0.01"))

    def quote(self, currency: str) -> Decimal:
        """What the bank sells a euro for; it wants to live, too."""
        return self.rate(currency) * (1 + self.margin)

    def rate(self, currency: str) -> Decimal:
        """Units of the currency for one euro."""
        try:
            return self.rates[currency]
        except KeyError as missing:
            raise NoExchangeRate(f"no rate for {currency!r} today") from missing


class PaymentGateway:
    """Charges cards; stands in for the service of a payment company."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    async def charge(self, card_token: str, euros: Decimal, currency: str) -> str:
        """Charge a card and return the number of the receipt."""
        async with self._session() as session:
            return await self._authorise(session, card_token, euros, currency)

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[str]:
        await asyncio.sleep(0)  # a real one would shake hands here
        yield secrets.token_hex(4)

    async def _authorise(self, session: str, card_token: str, euros: Decimal, currency: str) -> str:
        if not card_token:
            raise HTTPException(402, "a card is needed")
        return await self._reserve(session, card_token, euros, currency)

    async def _reserve(self, session: str, card_token: str, euros: Decimal, currency: str) -> str:
        receipt = await self._settle(session, euros, currency)
        return f"{receipt} ({hashlib.sha256(card_token.encode()).hexdigest()[:8]})"

    async def _settle(self, session: str, euros: Decimal, currency: str) -> str:
        amount = await self.bank.convert(euros, currency)
        return f"{session}/{amount} {currency}"


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
gateway = PaymentGateway(Bank())


def log_in(name: str, password: str) -> Customer:
    """Let a customer in; the first password is the right one."""
    if name not in customers:
        salt = secrets.token_bytes(16)
        customers[name] = Customer(name, salt, prove(password, salt))
    if not customers[name].knows(password):
        raise HTTPException(403, "wrong password")
    return customers[name]


def customer_of(request: Request) -> Customer:
    """Who sent a request."""
    try:
        return sessions[request.headers.get("Session", "")]
    except KeyError:
        raise HTTPException(401, "log in first") from None


def product_called(name: str) -> Product:
    """The product of that name."""
    if name not in PRODUCTS:
        raise HTTPException(404, "we do not sell that")
    return PRODUCTS[name]


# ---------------------------------------------------------------- pages


async def health(_: Request) -> JSONResponse:
    """Tell a load balancer that the shop is open."""
    return JSONResponse({"status": "open"})


async def products(_: Request) -> JSONResponse:
    """List what there is."""
    return JSONResponse({name: str(product.price) for name, product in PRODUCTS.items()})


async def login(request: Request) -> JSONResponse:
    """Open a session."""
    form = await request.json()
    session = secrets.token_urlsafe()
    sessions[session] = log_in(form["name"], form["password"])
    return JSONResponse({"session": session})


async def show_cart(request: Request) -> JSONResponse:
    """Show what is in the cart."""
    lines = customer_of(request).cart.lines
    return JSONResponse({"total": str(Pricing(lines).total()), "lines": len(lines)})


async def add_to_cart(request: Request) -> JSONResponse:
    """Put a product into the cart."""
    product = product_called(request.path_params["product"])
    quantity = int((await request.json()).get("quantity", 1))
    customer_of(request).cart.add(product, quantity)
    return JSONResponse({"added": quantity}, 201)


async def checkout(request: Request) -> JSONResponse:
    """Pay for the cart; asks for the password once more."""
    form = await request.json()
    password, card_token = form["password"], form["card_token"]
    customer = log_in(form["name"], password)
    for name, quantity in form.get("items", {}).items():
        customer.cart.add(product_called(name), int(quantity))
    order = await customer.cart.pay(gateway, card_token, form.get("currency", "EUR"))
    pack = BackgroundTask(pack_order, order)
    return JSONResponse({"order": order.number, "receipt": order.receipt}, 201, background=pack)


async def slow(request: Request) -> JSONResponse:
    """Ask a supplier, who takes their time."""
    supplier = request.path_params["name"]
    seconds = min(float(request.query_params.get("seconds", "1")), 60)
    await asyncio.sleep(seconds)
    return JSONResponse({"supplier": supplier, "waited": seconds})


# ---------------------------------------------------------------- work in the background


async def pack_order(order: Order) -> None:
    """Take an order from the shelf; runs after the customer has the answer."""
    for line in order.lines:
        STOCK[line.product.name] -= line.quantity


async def restock(every: float = 30.0) -> None:
    """Keep the shelves full as long as the shop is open."""
    while True:
        await asyncio.sleep(every)
        for name in STOCK:
            STOCK[name] = 20


@contextlib.asynccontextmanager
async def opening_hours(_: Starlette) -> AsyncIterator[None]:
    """Run ``restock`` from the shop's opening to its closing."""
    restocking = asyncio.create_task(restock(), name="restock")
    yield
    restocking.cancel()


app = Starlette(
    lifespan=opening_hours,
    routes=[
        Route("/health", health),
        Route("/products", products),
        Route("/login", login, methods=["POST"]),
        Mount(
            "/cart",
            routes=[Route("/", show_cart), Route("/{product}", add_to_cart, methods=["POST"])],
        ),
        Route("/checkout", checkout, methods=["POST"]),
        Route("/slow/{name}", slow),
    ],
)

# ---------------------------------------------------------------- the two lines of bcd

from bcd.integrations.starlette import instrument  # noqa: E402 - to be seen together

instrument(app)

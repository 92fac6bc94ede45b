"""A small book shop on Flask. Two lines of it are about bcd; look for them at the end.

Start it and buy something::

    gunicorn flask_shop:app --chdir example_apps --threads 4
    curl -X POST localhost:8000/login --json '{"name": "ada", "password": "…"}'  # your session
    curl -X POST localhost:8000/cart/emma -H 'Session: …' --json '{"quantity": 2}'
    curl -X POST localhost:8000/checkout \
         --json '{"name": "ada", "password": "…", "card_token": "…", "country": "PT"}'

Each worker keeps its own books. With several of them send the whole order to the checkout, as
``"items": {"emma": 2}``.

Have it sent to a country that the post has no tariff for, "CH" say, and the order fails deep
inside the payment gateway, which asks for the postage. The customer gets a plain 500;
``bcd show`` tells you the rest.
"""

from __future__ import annotations

import hashlib
import itertools
import queue
import secrets
import threading
import time
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache

import flask

# ---------------------------------------------------------------- what the shop sells


@dataclass(frozen=True)
class Book:
    """Something to buy; prices are in euros, weights in grams."""

    title: str
    price: Decimal
    weight: int


BOOKS = {
    book.title: book
    for book in (
        Book("emma", Decimal("11.00"), 420),
        Book("ulysses", Decimal("19.90"), 980),
        Book("momo", Decimal("9.00"), 310),
    )
}


# ---------------------------------------------------------------- cart and prices


class NoTariff(Exception):  # noqa: N818 - says it all
    """The post does not go to a country."""


class Post:
    """Knows what a parcel costs."""

    per_kilogram = {"DE": Decimal(4), "FR": Decimal(6), "PT": Decimal(7)}  # noqa: RUF012

    def postage(self, country: str, grams: int) -> Decimal:
        """The price of a parcel in euros, to the cent."""
        return (self.tariff(country) * grams / 1000).quantize(Decimal("0.01"))

    def tariff(self, country: str) -> Decimal:
        """Euros for a kilogram."""
        try:
            return self.per_kilogram[country]
        except KeyError as missing:
            raise NoTariff(f"no tariff for {country!r}") from missing


@dataclass
class Pricing:
    """Adds up a cart: the books and the post."""

    books: list[Book]
    post: Post

    def goods(self) -> Decimal:
        """The price of the books in euros."""
        return sum((book.price for book in self.books), Decimal(0))

    def postage(self, country: str) -> Decimal:
        """The price of the parcel in euros."""
        return self.post.postage(country, sum(book.weight for book in self.books))

    def total(self, country: str) -> Decimal:
        """The price of everything in euros."""
        return self.goods() + self.postage(country)


@dataclass
class Cart:
    """What a customer is about to buy."""

    books: list[Book] = field(default_factory=list)

    def add(self, book: Book, quantity: int) -> None:
        """Put more into the cart."""
        self.books.extend([book] * quantity)

    def pay(self, gateway: PaymentGateway, card_token: str, country: str) -> Order:
        """Turn the cart into a paid order."""
        order = Order(next(order_numbers), Pricing(self.books, Post()), country)
        order.pay(gateway, card_token)
        self.books = []
        return order


@dataclass
class Order:
    """A cart that somebody wants to pay."""

    number: int
    pricing: Pricing
    country: str
    receipt: str | None = None

    def pay(self, gateway: PaymentGateway, card_token: str) -> None:
        """Have the payment gateway charge the card."""
        self.receipt = gateway.charge(card_token, self)

    def amount(self) -> Decimal:
        """What is to be paid, in euros."""
        return self.pricing.total(self.country)


order_numbers = itertools.count(2001)


# ---------------------------------------------------------------- the payment gateway


class PaymentGateway:
    """Charges cards; stands in for the service of a payment company."""

    def charge(self, card_token: str, order: Order) -> str:
        """Charge a card and return the number of the receipt."""
        return self._authorise(card_token, order)

    def _authorise(self, card_token: str, order: Order) -> str:
        if not card_token:
            flask.abort(402, "a card is needed")
        return self._settle(order)

    def _settle(self, order: Order) -> str:
        return f"{secrets.token_hex(4)}/{order.amount()} EUR"


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
gateway = PaymentGateway()


def log_in(name: str, password: str) -> Customer:
    """Let a customer in; the first password is the right one."""
    if name not in customers:
        salt = secrets.token_bytes(16)
        customers[name] = Customer(name, salt, prove(password, salt))
    if not customers[name].knows(password):
        flask.abort(403, "wrong password")
    return customers[name]


def customer_now() -> Customer:
    """Who sent the request."""
    session = flask.request.headers.get("Session", "")
    if session not in sessions:
        flask.abort(401, "log in first")
    return sessions[session]


def book_called(title: str) -> Book:
    """The book of that title."""
    if title not in BOOKS:
        flask.abort(404, "we do not sell that")
    return BOOKS[title]


# ---------------------------------------------------------------- work in the background


@cache
def packing_room() -> queue.SimpleQueue[Order]:
    """Where orders are packed, by a thread of its own, after the customer has the answer.

    Made when first used, so that each worker that a server forks has one.
    """
    orders: queue.SimpleQueue[Order] = queue.SimpleQueue()
    threading.Thread(target=pack, args=(orders,), name="packing", daemon=True).start()
    return orders


def pack(orders: queue.SimpleQueue[Order]) -> None:
    """Pack one order after the other."""
    while True:
        order = orders.get()
        app.logger.info("packed order %d", order.number)


# ---------------------------------------------------------------- pages

app = flask.Flask(__name__)


@app.get("/health")
def health() -> dict[str, str]:
    """Tell a load balancer that the shop is open."""
    return {"status": "open"}


@app.get("/books")
def books() -> dict[str, str]:
    """List what there is."""
    return {title: str(book.price) for title, book in BOOKS.items()}


@app.post("/login")
def login() -> dict[str, str]:
    """Open a session."""
    form = flask.request.get_json()
    session = secrets.token_urlsafe()
    sessions[session] = log_in(form["name"], form["password"])
    return {"session": session}


@app.get("/cart")
def show_cart() -> dict[str, str | int]:
    """Show what is in the cart."""
    cart = customer_now().cart
    return {"total": str(Pricing(cart.books, Post()).goods()), "books": len(cart.books)}


@app.post("/cart/<title>")
def add_to_cart(title: str) -> tuple[dict[str, int], int]:
    """Put a book into the cart."""
    book = book_called(title)
    quantity = int(flask.request.get_json().get("quantity", 1))
    customer_now().cart.add(book, quantity)
    return {"added": quantity}, 201


@app.post("/checkout")
def checkout() -> tuple[dict[str, str | int | None], int]:
    """Pay for the cart; asks for the password once more."""
    form = flask.request.get_json()
    password, card_token = form["password"], form["card_token"]
    customer = log_in(form["name"], password)
    for title, quantity in form.get("items", {}).items():
        customer.cart.add(book_called(title), int(quantity))
    order = customer.cart.pay(gateway, card_token, form.get("country", "PT"))
    packing_room().put(order)
    return {"order": order.number, "receipt": order.receipt}, 201


@app.get("/slow/<name>")
def slow(name: str) -> dict[str, str | float]:
    """Ask a publisher, who takes their time."""
    seconds = min(float(flask.request.args.get("seconds", "1")), 60)
    time.sleep(seconds)
    return {"publisher": name, "waited": seconds}


# ---------------------------------------------------------------- the two lines of bcd

from bcd.integrations.flask import Bcd  # noqa: E402 - to be seen together

Bcd(app)

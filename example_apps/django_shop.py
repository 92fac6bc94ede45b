"""A small bicycle shop on Django. One line of it is about bcd; look for it in the settings.

Start it with one of these, and buy something::

    gunicorn django_shop --chdir example_apps --threads 4
    uvicorn django_shop:asgi --app-dir example_apps
    curl -X POST localhost:8000/login --json '{"name": "ada", "password": "…"}'  # your session
    curl -X POST localhost:8000/cart/tandem -H 'Session: …' --json '{"quantity": 1}'
    curl -X POST localhost:8000/checkout \
         --json '{"name": "ada", "password": "…", "card_token": "…", "voucher": "SPRING"}'

Each worker keeps its own books. With several of them send the whole order to the checkout, as
``"items": {"tandem": 1}``.

Pay with a voucher that was never printed, "SUMMER" say, and the order fails deep inside the
payment gateway, which asks for the discount. The customer gets a plain 500; ``bcd show`` tells
you the rest.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.http import Http404, JsonResponse
from django.urls import include, path
from django.views.decorators.http import require_POST

if TYPE_CHECKING:
    from django.http import HttpRequest

# ---------------------------------------------------------------- what the shop sells


@dataclass(frozen=True)
class Bicycle:
    """Something to buy; prices are in euros."""

    name: str
    price: Decimal


BICYCLES = {
    bicycle.name: bicycle
    for bicycle in (
        Bicycle("tandem", Decimal("1450.00")),
        Bicycle("unicycle", Decimal("210.00")),
        Bicycle("racer", Decimal("2300.00")),
    )
}


# ---------------------------------------------------------------- cart and prices


class NoSuchVoucher(Exception):  # noqa: N818 - says it all
    """A voucher that the shop did not print."""


class Vouchers:
    """Know what a voucher is worth."""

    percents = {"": Decimal(0), "SPRING": Decimal(10), "FRIEND": Decimal(25)}  # noqa: RUF012

    def worth(self, voucher: str, price: Decimal) -> Decimal:
        """What a voucher takes off a price in euros, to the cent."""
        return (self.percent(voucher) * price / 100).quantize(Decimal("0.01"))

    def percent(self, voucher: str) -> Decimal:
        """How much of a price it takes off."""
        try:
            return self.percents[voucher]
        except KeyError as missing:
            raise NoSuchVoucher(f"no voucher {voucher!r}") from missing


@dataclass
class Pricing:
    """Adds up a cart and takes off what the voucher is worth."""

    bicycles: list[Bicycle]
    vouchers: Vouchers = field(default_factory=Vouchers)

    def goods(self) -> Decimal:
        """The price of the bicycles in euros."""
        return sum((bicycle.price for bicycle in self.bicycles), Decimal(0))

    def discount(self, voucher: str) -> Decimal:
        """What is taken off, in euros."""
        return self.vouchers.worth(voucher, self.goods())

    def total(self, voucher: str) -> Decimal:
        """The price of everything in euros."""
        return self.goods() - self.discount(voucher)


@dataclass
class Cart:
    """What a customer is about to buy."""

    bicycles: list[Bicycle] = field(default_factory=list)

    def add(self, bicycle: Bicycle, quantity: int) -> None:
        """Put more into the cart."""
        self.bicycles.extend([bicycle] * quantity)

    def pay(self, gateway: PaymentGateway, card_token: str, voucher: str) -> Order:
        """Turn the cart into a paid order."""
        order = Order(next(order_numbers), Pricing(self.bicycles), voucher)
        order.pay(gateway, card_token)
        self.bicycles = []
        return order


@dataclass
class Order:
    """A cart that somebody wants to pay."""

    number: int
    pricing: Pricing
    voucher: str
    receipt: str | None = None

    def pay(self, gateway: PaymentGateway, card_token: str) -> None:
        """Have the payment gateway charge the card."""
        self.receipt = gateway.charge(card_token, self)

    def amount(self) -> Decimal:
        """What is to be paid, in euros."""
        return self.pricing.total(self.voucher)


order_numbers = itertools.count(4001)


# ---------------------------------------------------------------- the payment gateway


class PaymentGateway:
    """Charges cards; stands in for the service of a payment company."""

    def charge(self, card_token: str, order: Order) -> str:
        """Charge a card and return the number of the receipt."""
        return self._authorise(card_token, order)

    def _authorise(self, card_token: str, order: Order) -> str:
        if not card_token:
            raise PermissionDenied("a card is needed")
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
        raise PermissionDenied("wrong password")
    return customers[name]


def customer_of(request: HttpRequest) -> Customer:
    """Who sent a request."""
    try:
        return sessions[request.headers.get("Session", "")]
    except KeyError:
        raise PermissionDenied("log in first") from None


def bicycle_called(name: str) -> Bicycle:
    """The bicycle of that name."""
    if name not in BICYCLES:
        raise Http404("we do not sell that")
    return BICYCLES[name]


# ---------------------------------------------------------------- pages


def health(_: HttpRequest) -> JsonResponse:
    """Tell a load balancer that the shop is open."""
    return JsonResponse({"status": "open"})


def bicycles(_: HttpRequest) -> JsonResponse:
    """List what there is."""
    return JsonResponse({name: str(bicycle.price) for name, bicycle in BICYCLES.items()})


@require_POST  # type: ignore[untyped-decorator]  # Django has no types
def login(request: HttpRequest) -> JsonResponse:
    """Open a session."""
    form = json.loads(request.body)
    session = secrets.token_urlsafe()
    sessions[session] = log_in(form["name"], form["password"])
    return JsonResponse({"session": session})


def show_cart(request: HttpRequest) -> JsonResponse:
    """Show what is in the cart."""
    cart = customer_of(request).cart
    return JsonResponse({"total": str(Pricing(cart.bicycles).goods()), "size": len(cart.bicycles)})


@require_POST  # type: ignore[untyped-decorator]  # Django has no types
def add_to_cart(request: HttpRequest, name: str) -> JsonResponse:
    """Put a bicycle into the cart."""
    bicycle = bicycle_called(name)
    quantity = int(json.loads(request.body).get("quantity", 1))
    customer_of(request).cart.add(bicycle, quantity)
    return JsonResponse({"added": quantity}, status=201)


@require_POST  # type: ignore[untyped-decorator]  # Django has no types
def checkout(request: HttpRequest) -> JsonResponse:
    """Pay for the cart; asks for the password once more."""
    form = json.loads(request.body)
    password, card_token = form["password"], form["card_token"]
    customer = log_in(form["name"], password)
    for name, quantity in form.get("items", {}).items():
        customer.cart.add(bicycle_called(name), int(quantity))
    order = customer.cart.pay(gateway, card_token, form.get("voucher", ""))
    return JsonResponse({"order": order.number, "receipt": order.receipt}, status=201)


async def slow(request: HttpRequest, name: str) -> JsonResponse:
    """Ask a workshop, which takes its time."""
    seconds = min(float(request.GET.get("seconds", "1")), 60)
    await asyncio.sleep(seconds)
    return JsonResponse({"workshop": name, "waited": seconds})


cart_pages: list[Any] = [path("", show_cart), path("<name>", add_to_cart)]

urlpatterns = [
    path("health", health),
    path("bicycles", bicycles),
    path("login", login),
    path("cart/", include(cart_pages)),
    path("checkout", checkout),
    path("slow/<name>", slow),
]

# ---------------------------------------------------------------- settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(),
    MIDDLEWARE=[
        "bcd.integrations.django.BcdMiddleware",  # the line of bcd
        "django.middleware.common.CommonMiddleware",
    ],
)

application = get_wsgi_application()
asgi = get_asgi_application()

"""The example apps sell things, and their failures give snapshots without secrets."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

pytestmark = pytest.mark.server

UVICORN = ["uvicorn", "--port", "0", "--app-dir", "example_apps"]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", "example_apps", "--threads", "4"]
SHOPS = {
    "starlette": ([*UVICORN, "starlette_shop:app"], "sencha", {"currency": "CHF"}),
    "flask": ([*GUNICORN, "flask_shop:app"], "emma", {"country": "CH"}),
}
PASSWORD, CARD = "correct horse battery", "card-4929123456789012"


@pytest.mark.parametrize("name", SHOPS)
def test_shop_sells(serve: Any, name: str) -> None:
    """Log in, fill the cart, pay: no snapshot."""
    arguments, goods, _ = SHOPS[name]
    shop = serve(arguments)
    assert shop.request("GET", "/health")[2:] == (_json({"status": "open"}, name),)
    form = {"name": "ada", "password": PASSWORD, "card_token": CARD, "items": {goods: 2}}
    assert "session" in json.loads(shop.request("POST", "/login", form)[2])
    assert shop.request("POST", "/login", form | {"password": "wrong"})[0] == 403
    assert shop.request("POST", f"/cart/{goods}", {})[0] == 401
    assert shop.request("POST", "/cart/nothing", {})[0] == 404
    status, _, body = shop.request("POST", "/checkout", form)
    assert (status, set(json.loads(body))) == (201, {"order", "receipt"})
    assert shop.stop() == []


def _json(value: object, name: str) -> bytes:
    if name == "starlette":
        return json.dumps(value, separators=(",", ":")).encode()
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize("name", SHOPS)
def test_shop_fails_deep_in_its_code(serve: Any, name: str) -> None:
    """A failing checkout, with slow requests in flight, gives one snapshot without secrets."""
    arguments, goods, unpayable = SHOPS[name]
    shop = serve(arguments)
    waiting = [
        threading.Thread(target=shop.request, args=("GET", f"/slow/supplier-{number}?seconds=3"))
        for number in range(2)
    ]
    for thread in waiting:
        thread.start()
    form = {"name": "ada", "password": PASSWORD, "card_token": CARD, "items": {goods: 2}}
    assert shop.request("POST", "/checkout", form | unpayable)[0] == 500
    (snapshot,) = shop.snapshots(1)
    text = json.dumps(snapshot)
    assert PASSWORD not in text
    assert CARD not in text
    assert "[redacted]" in text
    assert snapshot["attributes"]["http.route"] == "/checkout"
    errors = snapshot["exception"]["list"]
    error = errors[snapshot["exception"]["root"]]
    assert errors[error["cause"]]["type"] == "KeyError"
    assert sum("_shop.py" in frame["file"] for frame in error["frames"]) >= 10
    for thread in waiting:
        thread.join()
    assert len(shop.stop()) == 1

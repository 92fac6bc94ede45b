"""The example apps sell things, and their failures give snapshots without secrets."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bcd.store.files import FolderStore
from tests.libraries import need

pytestmark = pytest.mark.server

UVICORN = ["uvicorn", "--port", "0", "--app-dir", "example_apps"]
GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--chdir", "example_apps", "--threads", "4"]
SHOPS = {
    "starlette": ([*UVICORN, "starlette_shop:app"], "sencha", {"currency": "CHF"}),
    "fastapi": ([*UVICORN, "fastapi_shop:app"], "tulip", {"day": "sunday"}),
    "flask": ([*GUNICORN, "flask_shop:app"], "emma", {"country": "CH"}),
    "django": ([*GUNICORN, "django_shop"], "tandem", {"voucher": "SUMMER"}),
    "django asgi": ([*UVICORN, "django_shop:asgi"], "tandem", {"voucher": "SUMMER"}),
}
IN_THE_BACKGROUND = {"starlette": "restock", "fastapi": "water"}
HOOKS = (
    "/integrations/asgi.py",
    "/integrations/wsgi.py",
    "/flask/app.py",
    "/asgiref/sync.py",  # Django tells in a thread what failed in its event loop
    "/django/core/handlers/exception.py",
)
PASSWORD, CARD = "correct horse battery", "card-4929123456789012"


@pytest.mark.parametrize("name", SHOPS)
def test_shop_sells(serve: Any, name: str) -> None:
    """Log in, fill the cart, pay: no snapshot."""
    arguments, goods, _ = SHOPS[name]
    shop = serve(arguments)
    assert json.loads(shop.request("GET", "/health")[2]) == {"status": "open"}
    form = {"name": "ada", "password": PASSWORD, "card_token": CARD, "items": {goods: 2}}
    assert "session" in json.loads(shop.request("POST", "/login", form)[2])
    assert shop.request("POST", "/login", form | {"password": "wrong"})[0] == 403
    assert shop.request("POST", f"/cart/{goods}", {})[0] in {401, 403}
    assert shop.request("POST", "/cart/nothing", {})[0] == 404
    status, _, body = shop.request("POST", "/checkout", form)
    assert (status, set(json.loads(body))) == (201, {"order", "receipt"})
    assert shop.stop() == []


WORKERS = {
    "starlette": ["--workers", "2"],
    "starlette, one worker": [],
    "fastapi": ["--workers", "2"],
    "fastapi, one worker": [],
    "django": ["--workers", "2"],
    "django asgi": ["--workers", "2"],
    "flask": ["--workers", "2"],
    "flask, preloaded": ["--workers", "2", "--preload"],
    "flask, gevent": ["--worker-class", "gevent"],
    "flask, gevent, preloaded": ["--worker-class", "gevent", "--preload"],
}


@pytest.mark.parametrize("name", WORKERS)
def test_shop_fails_deep_in_its_code(serve: Any, name: str) -> None:
    """A failing checkout, with slow requests in flight, gives one snapshot without secrets."""
    if "gevent" in name:
        need("gevent")
    arguments, goods, unpayable = SHOPS[name.partition(",")[0]]
    shop = serve([*arguments[:-1], *WORKERS[name], arguments[-1]])
    waiting = [http.client.HTTPConnection("127.0.0.1", shop.port) for _ in range(6)]
    for connection in waiting:
        connection.request("GET", "/slow/supplier?seconds=3")
    form = {"name": "ada", "password": PASSWORD, "card_token": CARD, "items": {goods: 2}}
    status, _, body = shop.request("POST", "/checkout", form | unpayable)
    assert (status, b"Server Error" in body) == (500, True)
    (snapshot,) = shop.snapshots(1)
    check_no_secret(snapshot)
    check_exception(snapshot, unpayable)
    (faulted,) = [thread for thread in snapshot["threads"] if thread["faulted"]]
    assert faulted["gil"]
    background = IN_THE_BACKGROUND.get(name.partition(",")[0])
    if background is not None:
        assert faulted["name"] == "MainThread"
        slow = check_tasks(snapshot, background)
        assert len(slow) == len(waiting) or WORKERS[name], "one worker has all the requests"
    for connection in waiting:
        with contextlib.closing(connection):
            assert connection.getresponse().status == 200
    assert len(shop.stop()) == 1


def check_no_secret(snapshot: dict[str, Any]) -> None:
    """Neither the password nor the card token is anywhere in the snapshot."""
    text = json.dumps(snapshot)
    assert PASSWORD not in text
    assert CARD not in text
    assert "[redacted]" in text


def check_exception(snapshot: dict[str, Any], unpayable: dict[str, str]) -> None:
    """Every frame from the middleware to the raise, with its line and its variables."""
    assert snapshot["attributes"]["http.route"].removeprefix("/") == "checkout"
    errors = snapshot["exception"]["list"]
    error = errors[snapshot["exception"]["root"]]
    assert errors[error["cause"]]["type"] == "KeyError"
    assert [error["type"]] == snapshot["classifiers"]
    frames = error["frames"]
    assert frames[0]["file"].endswith(HOOKS)
    shop = [frame for frame in frames if "_shop.py" in frame["file"]]
    assert len(shop) >= 10
    assert frames[-1] is shop[-1]
    assert all(frame["in_app"] for frame in shop)
    for frame, inner in pairwise(shop):
        line = snapshot["sources"][frame["file"]][str(frame["line"])]
        assert inner["function"].rpartition(".")[2] in line, "each line calls the next function"
    innermost = {entry["name"]: entry["value"] for entry in shop[-1]["locals"]}
    assert set(map(repr, unpayable.values())) <= set(innermost.values())
    assert "raise" in snapshot["sources"][shop[-1]["file"]][str(shop[-1]["line"])]


def check_tasks(snapshot: dict[str, Any], background: str) -> list[dict[str, Any]]:
    """The other requests are there, and where they wait; this one runs. Returns the others."""
    (running,) = [task for task in snapshot["tasks"] if task["state"] == "running"]
    assert running["frames"]
    slow = [
        task
        for task in snapshot["tasks"]
        if task["state"] == "waiting" and "slow" in {frame["function"] for frame in task["frames"]}
    ]
    for task in slow:
        (frame,) = [frame for frame in task["frames"] if frame["function"] == "slow"]
        assert "await asyncio.sleep" in snapshot["sources"][frame["file"]][str(frame["line"])]
        assert task["frames"][-1]["function"] == "sleep"
    assert background in {task["name"] for task in snapshot["tasks"]}
    return slow


@pytest.mark.parametrize("arguments", [[], ["--dict-config"]])
def test_import_goes_on(tmp_path: Path, arguments: list[str]) -> None:
    """What the nightly import logs and leaves out gives a snapshot, without the password."""
    done = subprocess.run(
        [sys.executable, "example_apps/logging_app.py", *arguments],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"BCD_DIR": str(tmp_path / "kept"), "SUPPLIER_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "3 prices of 4: sencha, assam, teapot\n"
    assert "ERROR shop.prices: line 3 was left out\nTraceback" in done.stderr
    assert "[bcd]" not in done.stderr
    (file,) = (tmp_path / "kept").iterdir()
    snapshot = FolderStore(str(file.parent)).find("latest").snapshot
    assert snapshot.attributes["log.message"] == "line 3 was left out"
    assert snapshot.exception is not None
    error = snapshot.exception.list[snapshot.exception.root]
    names = [frame.function for frame in error.frames]
    assert names == ["import_prices", "PriceList.add", "Bank.euros"]
    variables = [{one.name: one.value for one in frame.locals} for frame in error.frames]
    assert (variables[0]["password"], variables[1]["line"]) == ("[redacted]", "'gyokuro;24.00;JPY'")
    assert PASSWORD not in str(snapshot)

"""The example for Celery prints posters, and its failure gives a snapshot without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integrations.celery_workers import Worker, a_virtual_host
from tests.integrations.conftest import ROOT, poll
from tests.integrations.test_example_apps import CARD, check_no_secret
from tests.servers import RABBITMQ, need_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.server


class PrintShop(Worker):
    """A worker of the example for Celery, with the queue that it has by default."""

    program = "celery_tasks"
    place = ROOT / "example_apps"

    def order(self, *sizes: str) -> None:
        """Order posters."""
        self.client.conf.task_default_queue = "celery"
        self.send("order", sizes, "PT", CARD)

    def wait_for(self, words: str) -> None:
        """Wait until it says so."""
        poll(lambda: words in str(self.lines), f"{words!r} in {self.lines}")


@pytest.fixture
def print_shop(tmp_path: Path) -> Iterator[PrintShop]:
    """The worker, on a virtual host of its own."""
    need_server(RABBITMQ)
    with a_virtual_host() as url:
        shop = PrintShop(tmp_path / "shop", url, "prefork", CELERY_RESULT_BACKEND="disabled://")
        try:
            shop.wait_until_ready()
            yield shop
        finally:
            shop.remove()


def test_print_shop(print_shop: PrintShop) -> None:
    """Posters are charged, printed and sent; a size without paper fails deep in the price list."""
    print_shop.order("A1", "A2", "A2")
    print_shop.wait_for("hand_over[")
    print_shop.wait_for("'posters': 3}")
    assert print_shop.snapshots() == []

    print_shop.order("A1", "B1")
    (snapshot,) = print_shop.snapshots(1)
    check_no_secret(snapshot)
    assert snapshot["attributes"]["celery.task_name"] == "celery_tasks.charge"
    assert snapshot["attributes"]["messaging.destination.name"] == "celery"
    assert snapshot["classifiers"] == ["celery_tasks.NoPaper"]
    errors = snapshot["exception"]["list"]
    error = errors[snapshot["exception"]["root"]]
    assert errors[error["cause"]]["type"] == "KeyError"
    functions = [f["function"] for f in error["frames"] if f["file"].endswith("celery_tasks.py")]
    assert functions[0] == "charge"
    assert functions[-2:] == ["PriceList.poster", "Paper.sheet"]
    assert ("size", "'B1'") in {
        (local["name"], local["value"]) for local in error["frames"][-1]["locals"]
    }

    print_shop.order("A2")
    print_shop.wait_for("'posters': 1}")
    assert print_shop.stop() == 0
    assert len(print_shop.snapshots()) == 1

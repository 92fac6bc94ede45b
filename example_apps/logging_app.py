"""The tea shop's nightly import of prices. Two lines are about bcd; look for them in ``set_up``.

Run it, with a price list of your own or with the one that is built in::

    python example_apps/logging_app.py [--dict-config] [FILE]

A line that makes no sense is logged, and the import goes on with the next one, as it should: it
is night. In the morning ``bcd show`` tells what that line looked like, and where it was lost.
"""

from __future__ import annotations

import logging
import logging.config
import os
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PRICES = """\
sencha;9.50;EUR
assam;7.20;EUR
gyokuro;24.00;JPY
teapot;34.00;EUR
"""

log = logging.getLogger("shop.prices")

# ---------------------------------------------------------------- prices


class NoExchangeRate(Exception):  # noqa: N818 - says it all
    """The bank does not deal in a currency."""


@dataclass
class Bank:
    """Knows what a currency is worth in euros."""

    rates: dict[str, Decimal] = field(default_factory=lambda: {"EUR": Decimal(1)})

    def euros(self, amount: Decimal, currency: str) -> Decimal:
        """An amount in euros."""
        try:
            return amount * self.rates[currency]
        except KeyError as missing:
            raise NoExchangeRate(f"no rate for {currency!r} tonight") from missing


@dataclass
class PriceList:
    """What is on sale, in euros."""

    bank: Bank
    prices: dict[str, Decimal] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Take over a line like ``sencha;9.50;EUR``."""
        product, amount, currency = line.strip().split(";")
        self.prices[product] = self.bank.euros(Decimal(amount), currency)


def import_prices(lines: Iterable[str], bank: Bank, *, password: str) -> PriceList:
    """Read a supplier's list; lines that make no sense are logged and left out."""
    offers = PriceList(bank)
    log.info("asking the supplier %s a password", "with" if password else "without")
    for number, line in enumerate(lines, start=1):
        try:
            offers.add(line)
        except Exception:
            log.exception("line %d was left out", number)
    return offers


# ---------------------------------------------------------------- logging


def set_up() -> None:
    """Let ``logging`` write to stderr, and add the two lines of bcd."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    from bcd.integrations.logging import BcdHandler

    logging.getLogger().addHandler(BcdHandler())


def set_up_by_dict_config() -> None:
    """Do the same by a configuration."""
    logging.config.dictConfig(
        {
            "version": 1,
            "formatters": {"short": {"format": "%(levelname)s %(name)s: %(message)s"}},
            "handlers": {
                "stderr": {"class": "logging.StreamHandler", "formatter": "short"},
                "bcd": {"class": "bcd.integrations.logging.BcdHandler", "level": "ERROR"},
            },
            "root": {"level": "INFO", "handlers": ["stderr", "bcd"]},
            "disable_existing_loggers": False,
        }
    )


def main(arguments: list[str]) -> None:
    """Import a list, and say what came of it."""
    if "--dict-config" in arguments:
        set_up_by_dict_config()
    else:
        set_up()
    files = [argument for argument in arguments if not argument.startswith("-")]
    lines = (Path(files[0]).read_text("utf-8") if files else PRICES).splitlines()
    offers = import_prices(lines, Bank(), password=os.environ.get("SUPPLIER_PASSWORD", ""))
    print(f"{len(offers.prices)} prices of {len(lines)}: {', '.join(offers.prices)}")


if __name__ == "__main__":
    main(sys.argv[1:])

"""What a snapshot says of a record, without running code of the program."""

from __future__ import annotations

import io
import logging
from typing import TYPE_CHECKING, Any

import pytest

from bcd.integrations._records import message_of
from tests.unit.logged.fakes import handler, raised, record

if TYPE_CHECKING:
    from tests.fake_trace import FakeTrace


class Refusing:
    """An object of the program none of whose code may be run."""

    def _fail(self, *_: object) -> Any:
        pytest.fail("code of the program was run")

    __str__ = __repr__ = __format__ = __bool__ = __len__ = __eq__ = __hash__ = _fail
    __iter__ = __getitem__ = __int__ = __float__ = __index__ = _fail

    @property  # type: ignore[misc]  # as proxies do
    def __class__(self) -> Any:
        return self._fail()


class Text(str):
    """A text of the program's own making."""

    __slots__ = ()

    def __mod__(self, _: object) -> Any:
        pytest.fail("code of the program was run")

    __str__ = __format__ = __len__ = __getitem__ = encode = __mod__  # type: ignore[assignment]


class Number(int):
    """A number of the program's own making."""

    def __str__(self) -> str:
        return str(pytest.fail("code of the program was run"))


class TestMessage:
    @pytest.mark.parametrize(
        ("made", "expected"),
        [
            (record("100%"), "100%"),
            (record("order %s of %d, %.1f%%, %r", "5", 7, 0.5, None), "order 5 of 7, 0.5%, None"),
            (record("order %(number)s", {"number": 5}), "order 5"),
            (record("order %s", Refusing()), "order %s"),
            (record("order %(number)s", {"number": Refusing()}), "order %(number)s"),
            (record("order %s", Text("5")), "order %s"),
            (record("order %s", Number(5)), "order %s"),
            (record("order %s", [5]), "order %s"),
            (record(Text("order %s"), 5), "order 5"),
            (record(Refusing()), f"<{__name__}.Refusing>"),
            (record("order %d", "five"), "order %d"),  # which logging itself tells
            (record("order"), "order"),
            (record("order", 5), "order"),
            (record("%s" * 40, *range(40)), "%s" * 40),
            (record("%1000000000d", 1), "%1000000000d"),
            (record("%*d", 1000000000, 1), "%*d"),
            (record("%(a)0.1000000000f", {"a": 1}), "%(a)0.1000000000f"),
            (record("%d", 10**5000), "%d"),
            (record("order %s", Refusing(), message="order five"), "order five"),
            (record("order %s", 5, message=Refusing()), "order 5"),
            (record({"event": "order", "number": Refusing()}), "order"),
            (record({"number": 5}), "<dict>"),
        ],
    )
    def test_is_had_safely(self, made: logging.LogRecord, expected: str) -> None:
        """No code of the program runs: the template stands where it would be needed."""
        assert message_of(made) == expected

    def test_is_the_error_itself(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """``logger.exception(error)`` is common."""
        error = raised(ValueError("boom"))
        logger.error(error, exc_info=error)
        assert traced.attributes[0]["log.message"] == "boom"

    def test_is_bounded(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """To one line of 1 KiB, as all attributes are (trap 8)."""
        logger.error("%s\n\x1b[1m%s", "x", "é" * 1_000_000, exc_info=ValueError())
        text = traced.attributes[0]["log.message"]
        assert text.startswith("x [1mé")
        assert len(text.encode()) <= 1024

    def test_is_what_another_handler_made(self, traced: FakeTrace, logger: logging.Logger) -> None:
        """Which has run the program's code anyway."""

        class Order:
            def __str__(self) -> str:
                return "five"

        logger.handlers.insert(0, logging.StreamHandler(io.StringIO()))
        logger.error("order %s", Order(), exc_info=ValueError())
        assert traced.attributes[0]["log.message"] == "order five"

    def test_names_of_other_kinds(self, traced: FakeTrace) -> None:
        """A logger may be named by a member of an enumeration, whose code is not run either."""
        handler().handle(record("order", exc_info=ValueError(), name=Text("shop"), levelname=5))
        assert traced.attributes[0]["log.logger"] == "shop"
        assert traced.attributes[0]["log.level"] == ""

    def test_odd_records(self, traced: FakeTrace) -> None:
        """Nothing in a record can harm, or run code of the program."""
        one = handler()
        for told in (Refusing(), (Refusing(),) * 3, "text", 3, (), [ValueError()]):
            for message in (Refusing(), {"event": Refusing(), "exc_info": Refusing()}):
                one.handle(record(message, exc_info=told, levelno=40))
        assert traced.errors == []

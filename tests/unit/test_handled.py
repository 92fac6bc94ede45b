"""``bcd.capture``: errors that the program handles itself go the way of all others."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

import bcd
from bcd.engine import TraceResult
from bcd.errors import Busy, StartError
from bcd.integrations import _capture, _complaints, asgi, handled, hooks
from bcd.integrations._suppressed import suppressed
from bcd.scope import WANTED, open_scope
from bcd.settings import Settings, replace_settings
from tests.fake_trace import FakeTrace


@pytest.fixture(autouse=True)
def trace(monkeypatch: pytest.MonkeyPatch) -> FakeTrace:
    """What was traced."""
    fake = FakeTrace()
    monkeypatch.setattr(_capture, "trace", fake)
    monkeypatch.setattr(_complaints.complain, "_silent_until", float("-inf"))
    monkeypatch.setattr(handled, "_own", {})
    monkeypatch.setattr("bcd.settings.current._current", {})
    suppressed.clear()
    return fake


def fail() -> None:
    """Fail.

    Raises:
        LookupError: Always.
    """
    raise LookupError("no such tea")


def test_what_is_known_of_it(trace: FakeTrace) -> None:
    """The program's attributes are there, made safe, beside those of every error."""
    with pytest.raises(LookupError) as caught:
        fail()
    captured = bcd.capture(caught.value, {"shop.order": 5, "exception.message": "edited\n"})
    assert captured is bcd.Captured.TRACED
    (found,) = trace.attributes
    assert found["shop.order"] == "5"
    assert found["exception.message"] == "edited "
    assert found["code.function.name"] == f"{__name__}.fail"
    assert found["bcd.integration"] == "capture"


def test_what_was_set_is_there_too(trace: FakeTrace) -> None:
    """What is known of this very error goes over what was set for all of the request."""
    scope = open_scope({})
    assert scope is not None
    bcd.set_attribute("shop.order", 4)
    bcd.set_attribute("shop.user", "ada")
    bcd.set_attribute("exception.type", "Fake")
    bcd.capture(LookupError(), {"shop.order": 5})
    scope.close()
    assert trace.attributes[0]["shop.order"] == "5"
    assert trace.attributes[0]["shop.user"] == "ada"
    assert trace.attributes[0]["exception.type"] == "LookupError"


def test_what_became_of_it(trace: FakeTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each way that an error can go has a name."""
    error = LookupError()
    assert bcd.capture(error) == "traced"
    assert bcd.capture(error) == "seen"
    assert bcd.capture(SystemExit()) == "expected"
    trace.outcome = TraceResult(error=Busy("another trace runs"))
    assert bcd.capture(LookupError()) == "counted"
    trace.outcome = TraceResult(error=StartError("no such program"))
    assert bcd.capture(LookupError()) == "failed"
    monkeypatch.setattr(_capture, "is_open", lambda: False)
    assert bcd.capture(LookupError()) == "counted"


def test_ignored_and_dropped(trace: FakeTrace) -> None:
    """What the process was told holds here."""
    settings = Settings(ignore=(KeyError,), before_trace=lambda *_: None)
    replace_settings(settings)
    assert bcd.capture(KeyError()) == "expected"
    assert bcd.capture(ValueError()) == "dropped"
    assert trace.errors == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((None,), "it was given NoneType for the error; accepted is an exception"),
        ((LookupError,), "it was given type for the error; accepted is an exception"),
        ((LookupError(), [1]), "it was given list for the attributes; accepted is a mapping"),
    ],
    ids=["none", "class", "list"],
)
def test_what_cannot_be_used_is_told(
    trace: FakeTrace, arguments: tuple[Any, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a line on stderr; nothing is raised into the program."""
    assert bcd.capture(*arguments) == "failed"
    assert capsys.readouterr().err.endswith(f"{said}\n")
    assert trace.errors == []


def test_holds_back_no_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends its worker meanwhile is obeyed (trap 3)."""

    def end(*_: object, **__: object) -> TraceResult:
        raise SystemExit(1)

    monkeypatch.setattr(_capture, "trace", end)
    with pytest.raises(SystemExit):
        bcd.capture(LookupError())


def test_on_an_event_loop_nobody_waits(trace: FakeTrace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that cannot work on a frozen copy is left to itself there."""
    monkeypatch.setattr("bcd.tracers._default", {"tracer": bcd.BTTracer()})

    async def main() -> None:
        bcd.capture(LookupError())

    bcd.capture(LookupError())
    asyncio.run(main())
    assert [call["detach"] for call in trace.calls] == [False, True]


class TestOneSnapshot:
    """An error that the program captures and then lets go is traced once."""

    @staticmethod
    async def app(_: Any, __: Any, ___: Any) -> None:
        """Capture an error, and let it go on."""
        try:
            fail()
        except LookupError as error:
            bcd.capture(error)
            raise

    @pytest.mark.parametrize("wanted", [[], ["set_attribute"]])
    def test_in_a_request(self, trace: FakeTrace, wanted: list[str]) -> None:
        """The hook of the request has nothing to add."""
        before, WANTED[:] = WANTED[:], wanted
        with pytest.raises(LookupError):
            asyncio.run(serve(asgi.BcdMiddleware(cast("Any", self.app))))
        WANTED[:] = before
        assert len(trace.errors) == 1
        assert trace.attributes[0]["bcd.integration"] == "capture"
        assert trace.attributes[0]["url.path"] == "/pay"

    def test_above_all(self, trace: FakeTrace) -> None:
        """Nor has the hook of the process."""
        occasion = hooks._Uncaught("excepthook")
        capture = _capture.Capture("hooks")
        for _ in range(2):
            with pytest.raises(LookupError) as caught:
                asyncio.run(self.app(None, None, None))
            assert capture.take(caught.value, occasion) == "seen"
        assert len(trace.errors) == 2


async def serve(app: Any) -> None:
    """Serve a request."""
    await app({"type": "http", "path": "/pay"}, None, None)

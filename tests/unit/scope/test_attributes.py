"""``bcd.set_attribute``: for the rest of the request or task, and not a moment longer."""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import greenlet
import pytest

from bcd.scope import Scope, attributes, open_scope, own_attributes
from bcd.scope.attributes import set_attribute
from bcd.scope.place import current_place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes._window, "_silent_until", float("-inf"))


@pytest.fixture(autouse=True)
def _own_context() -> Iterator[None]:
    """A context in which nothing was said."""
    from bcd.scope import place  # the variable, which no other test needs

    token = place._place.set(None)
    yield
    place._place.reset(token)


def opened() -> Scope:
    """A request that is being served from now on."""
    scope = open_scope({})
    assert scope is not None
    return scope


class TestContext:
    """Outside any request: what ``contextvars`` promise."""

    def test_holds_for_what_comes_later(self) -> None:
        """A later value replaces an earlier one, and None takes it back."""
        assert own_attributes() == {}
        set_attribute("tenant", "tea")
        set_attribute("order", 5)
        set_attribute("tenant", "coffee")
        assert own_attributes() == {"tenant": "coffee", "order": "5"}
        set_attribute("tenant", None)
        assert own_attributes() == {"order": "5"}

    def test_a_copy_of_the_context_knows_it_and_keeps_its_own(self) -> None:
        """What is said in a copy does not come back."""
        set_attribute("a", "1")
        copy = contextvars.copy_context()
        copy.run(set_attribute, "a", "2")
        set_attribute("b", "3")
        assert copy.run(own_attributes) == {"a": "2"}
        assert own_attributes() == {"a": "1", "b": "3"}

    def test_tasks_do_not_mix(self) -> None:
        """Each of many tasks that take turns has its own, and its parent none of them."""

        async def work(number: int) -> None:
            set_attribute("item", number)
            await asyncio.sleep(0)
            assert own_attributes() == {"worker": "w", "item": str(number)}

        async def main() -> None:
            set_attribute("worker", "w")
            await asyncio.gather(*(work(number) for number in range(20)))
            assert own_attributes() == {"worker": "w"}

        asyncio.run(main())
        assert own_attributes() == {}

    def test_threads_do_not_mix(self) -> None:
        """A thread starts with nothing and keeps what it says to itself."""
        found: queue.Queue[dict[str, str]] = queue.Queue()

        def work(number: int) -> None:
            set_attribute("item", number)
            found.put(own_attributes())

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(found.get()["item"] for _ in threads) == [str(number) for number in range(8)]
        assert own_attributes() == {}

    def test_greenlets_do_not_mix(self) -> None:
        """A greenlet has a context of its own (trap 15)."""

        def work(number: int) -> None:
            set_attribute("item", number)
            main.switch()
            assert own_attributes() == {"item": str(number)}

        main = greenlet.getcurrent()
        greenlets = [greenlet.greenlet(work) for _ in range(3)]
        for _ in range(2):
            for number, each in enumerate(greenlets):
                each.switch(number)
        assert own_attributes() == {}

    def test_a_thread_of_an_executor_keeps_nothing_for_its_next_job(self) -> None:
        """Such a thread has one context for all its jobs, requests among them (trap 15)."""

        def job(item: str) -> dict[str, str]:
            before = own_attributes()
            for _ in range(3):
                set_attribute("item", item)
            assert own_attributes() == before | {"item": item}
            return before

        with ThreadPoolExecutor(1) as pool:
            assert [pool.submit(job, item).result() for item in "abc"] == [{}, {}, {}]
            assert pool.submit(place_chain).result() <= 1

    def test_a_job_gives_way_to_what_the_thread_had(self) -> None:
        """What an initializer said holds for all jobs."""
        with ThreadPoolExecutor(1, initializer=set_attribute, initargs=("pool", "p")) as pool:
            assert pool.submit(set_attribute, "item", 1).result() is None
            assert pool.submit(own_attributes).result() == {"pool": "p"}


def place_chain() -> int:
    """How many places the calling thread keeps alive."""
    length, place = 0, current_place()
    while place is not None:
        length, place = length + 1, place.before
    return length


class TestScope:
    """What a hook opens for a request."""

    def test_ends_with_it(self) -> None:
        """The next request knows nothing of it, nor does what the thread does between."""
        for item in ("a", "b"):
            scope = opened()
            assert own_attributes() == {}
            set_attribute("item", item)
            assert own_attributes() == {"item": item}
            scope.close()
            assert own_attributes() == {}

    def test_starts_with_nothing(self) -> None:
        """A server may serve a request in a context of the one before."""
        set_attribute("item", "a")
        scope = opened()
        assert own_attributes() == {}
        scope.close()
        assert own_attributes() == {"item": "a"}

    def test_is_opened_once_per_request(self) -> None:
        """Hooks further down find it in the request."""
        request: dict[str, Any] = {}
        scope = cast("Scope", open_scope(request))
        set_attribute("item", "a")
        assert open_scope(request) is None
        assert own_attributes() == {"item": "a"}
        scope.close()

    def test_a_request_in_a_request(self) -> None:
        """As where an application calls another one by its interface."""
        outer = opened()
        set_attribute("item", "outer")
        inner = opened()
        set_attribute("item", "inner")
        inner.close()
        assert own_attributes() == {"item": "outer"}
        outer.close()

    def test_out_of_order(self) -> None:
        """A body that is closed late leaves the request of now alone."""
        early, late = opened(), opened()
        set_attribute("item", "late")
        early.close()
        assert own_attributes() == {"item": "late"}
        late.close()

    def test_keeps_no_chain_of_requests(self) -> None:
        """Each is served in a context of the one before; none of them stays."""
        scopes: list[Scope] = []

        def serve(left: int) -> None:
            scope = opened()
            scopes.append(scope)
            context = contextvars.copy_context()
            scope.close()
            if left:
                context.run(serve, left - 1)

        contextvars.copy_context().run(serve, 5)
        assert [scope.around for scope in scopes] == [None] * 6

    @pytest.mark.parametrize(
        "elsewhere",
        [
            lambda work: contextvars.copy_context().run(work),
            lambda work: asyncio.run(asyncio.to_thread(work)),
        ],
        ids=["copy", "to_thread"],
    )
    def test_what_a_copy_says_is_seen_by_the_hook(self, elsewhere: Callable[..., None]) -> None:
        """Frameworks serve parts of a request in copies of its context (trap 15)."""
        scope = opened()
        elsewhere(lambda: set_attribute("user", "ada"))
        set_attribute("order", 5)
        assert own_attributes() == {"user": "ada", "order": "5"}
        scope.close()

    def test_a_copy_that_knows_more_goes_over_what_it_started_with(self) -> None:
        """Middleware says it first, the handler in its thread knows better."""
        scope = opened()
        set_attribute("user", "anonymous")
        copy = contextvars.copy_context()
        copy.run(set_attribute, "user", "somebody")
        copy.run(set_attribute, "user", "ada")
        set_attribute("order", 5)
        assert own_attributes() == {"user": "ada", "order": "5"}
        set_attribute("user", "eve")
        assert own_attributes()["user"] == "eve"
        scope.close()

    def test_tasks_of_a_request_keep_their_own(self) -> None:
        """What another task of the request says later does not replace it."""

        async def work(number: int) -> None:
            set_attribute("item", number)
            await asyncio.sleep(0)
            assert own_attributes() == {"item": str(number)}

        async def serve() -> None:
            scope = opened()
            await asyncio.gather(*(work(number) for number in range(3)))
            scope.close()

        asyncio.run(serve())

    def test_what_goes_on_after_the_request_still_knows_it(self) -> None:
        """A task that it started fails later, and says whose it was."""

        async def later() -> dict[str, str]:
            await asyncio.sleep(0)
            return own_attributes()

        async def serve() -> asyncio.Task[dict[str, str]]:
            scope = opened()
            set_attribute("user", "ada")
            task = asyncio.create_task(later())
            scope.close()
            return task

        async def main() -> None:
            assert await (await serve()) == {"user": "ada"}

        asyncio.run(main())

    def test_requests_at_once_do_not_mix(self) -> None:
        """Many of them, each with parts in threads."""

        async def serve(number: int) -> None:
            scope = opened()
            await asyncio.to_thread(set_attribute, "item", number)
            await asyncio.sleep(0)
            assert own_attributes() == {"item": str(number)}
            scope.close()

        async def main() -> None:
            await asyncio.gather(*(serve(number) for number in range(20)))

        asyncio.run(main())

    def test_forgets_in_all_contexts(self) -> None:
        """None takes back what a copy said."""
        scope = opened()
        contextvars.copy_context().run(set_attribute, "user", "ada")
        set_attribute("user", None)
        assert own_attributes() == {}
        scope.close()


class Shy(str):
    """A text whose methods are code of the program."""

    __slots__ = ()

    def __getitem__(self, _: object) -> str:
        pytest.fail("code of the program was run")

    def __str__(self) -> str:
        raise AssertionError("code of the program was run")


class ShyNumber(int):
    """Likewise."""

    __slots__ = ()

    def __repr__(self) -> str:
        raise AssertionError("code of the program was run")

    __str__ = __repr__


class TestValues:
    """What may be said."""

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("tea\x00\n\x1bpot\ud800", "tea pot\N{REPLACEMENT CHARACTER}"),
            ("é" * 1000, "é" * 512),
            (5, "5"),
            (1.5, "1.5"),
            (True, "True"),
            (Shy("tea"), "tea"),
            (ShyNumber(5), "5"),
        ],
        ids=["controls", "long", "int", "float", "bool", "shy", "shy number"],
    )
    def test_is_made_safe(self, value: Any, text: str) -> None:
        """One line of at most 1 KiB, made by no code of the program."""
        set_attribute("key", value)
        assert own_attributes() == {"key": text}

    def test_a_name_ends_nowhere_early(self) -> None:
        """A colon would end it on a tracer's command line."""
        set_attribute("a:b\n", "x")
        assert own_attributes() == {"a_b ": "x"}

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("user", object(), "given a object for 'user'; accepted are texts and numbers"),
            ("user", 10**5000, "given a int for 'user'; accepted are texts and numbers"),
            (5, "x", "given a name of type int; accepted is a text, not an empty one"),
            ("", "x", "given a name of type str; accepted is a text, not an empty one"),
        ],
        ids=["object", "huge", "number as name", "no name"],
    )
    def test_what_cannot_be_used_is_told(
        self, key: Any, value: Any, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """In one line, not one per request; the program goes on."""
        for _ in range(3):
            set_attribute(key, value)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith(f"set_attribute was {said}")
        assert own_attributes() == {}

    @pytest.mark.parametrize("in_request", [True, False])
    def test_their_number_is_limited(
        self, capsys: pytest.CaptureFixture[str], *, in_request: bool
    ) -> None:
        """At most 32, of which each may still change."""
        scope = opened() if in_request else None
        for number in range(40):
            contextvars.copy_context().run(set_attribute, f"copy{number}", number)
        for number in range(40):
            set_attribute(f"key{number}", number)
        assert len(own_attributes()) == 32
        some = next(iter(own_attributes()))
        set_attribute(some, "new")
        assert own_attributes()[some] == "new"
        assert "beyond the 32 attributes" in capsys.readouterr().err
        if scope is not None:
            scope.close()

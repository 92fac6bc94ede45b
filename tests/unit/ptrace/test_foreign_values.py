"""What web programs hold: requests, rows, models, arrays of the real libraries, by their fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import numpy as np
import pandas as pd
import pytest
import sqlalchemy
from celery.app.task import Context
from flask import Flask, current_app, g, request
from pydantic import BaseModel, ConfigDict, PrivateAttr, SecretStr
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.datastructures import URL, Headers
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcd.ptrace.target import Target

    Shown = Callable[..., str]

LOGIN = "abcdefgh"
HEADER = "Bearer abcdefgh12345678"


class TestRequests:
    def test_starlette(self, shown: Shown) -> None:
        """A request of Starlette shows method, path, query and headers, without their secrets."""
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/orders",
            "query_string": b"token=abcdefgh&page=2",
            "path_params": {"id": 3},
            "headers": [(b"authorization", HEADER.encode()), (b"accept", b"*/*")],
            "app": object(),
        }
        assert shown(Request(scope)) == (
            "<Request type='http', method='GET', path='/orders',"
            " query_string=b'token=[redacted]&page=2', path_params={'id': 3},"
            " headers=[(b'authorization', [redacted]), (b'accept', b'*/*')], _form=None>"
        )
        assert LOGIN not in shown(scope) + shown(Request(scope).headers)
        assert shown(URL("http://h/a?token=abcdefgh&x=1")) == (
            "<URL _url='http://h/a?token=[redacted]&x=1'>"
        )
        assert (
            shown(Headers({"cookie": "sid=abcdefgh"}))
            == "<Headers _list=[(b'cookie', [redacted])]>"
        )

    def test_flask(self, shown: Shown) -> None:
        """A request of Flask shows its fields and, of the environ, only the headers."""
        given = {"Authorization": HEADER, "Cookie": "sid=abcdefgh", "X-Shop": "1"}
        app = Flask("shop")
        with app.test_request_context("/p?q=1", method="POST", headers=given):
            real: Any = request._get_current_object()  # type: ignore[attr-defined]
            text = shown(real)
        assert text.startswith("<Request method='POST', path='/p', query_string=b'q=1', ")
        assert "'HTTP_AUTHORIZATION': [redacted]" in text
        assert "'HTTP_COOKIE': [redacted]" in text
        assert "'HTTP_X_SHOP': '1'" in text
        assert "SERVER_NAME" not in text

    def test_proxies_are_not_asked(self, shown: Shown) -> None:
        """A local proxy is shown as what it is, also where asking it would be an error."""
        for proxy, name in ((request, "request_ctx"), (current_app, "app_ctx"), (g, "app_ctx")):
            text = shown(proxy)
            assert re.fullmatch(rf"<LocalProxy of <ContextVar name='flask.{name}' at 0x\w+>>", text)

    def test_celery(self, shown: Shown) -> None:
        """The request of a Celery task shows the task, its arguments and its tries."""
        task = Context(
            id="1", task="shop.pay", args=[1], kwargs={"password": "abcdefgh"}, retries=2
        )
        assert shown(task) == (
            "<Context id='1', task='shop.pay', args=[1], kwargs={'password': [redacted]},"
            " retries=2, headers=None>"
        )

    def test_httpx(self, shown: Shown) -> None:
        """A response of httpx shows status, request and content; who logs in is a secret."""
        asked = httpx.Request(
            "GET", "https://ada:pw@h:8443/x?token=abcdefgh#top", headers={"Authorization": HEADER}
        )
        text = shown(httpx.Response(404, content=b"gone", request=asked))
        url = "URL('https://[redacted]@h:8443/x?token=[redacted]#top')"
        assert text.startswith(
            f"<Response status_code=404, _request=<Request method='GET', url={url}"
        )
        assert "_content=b'gone'" in text
        assert shown(asked.headers).endswith(
            "(b'Authorization', b'authorization', [redacted])], _encoding=None>"
        )


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password: Mapped[str]


@pytest.fixture
def session() -> Iterator[Session]:
    """A database in memory."""
    engine = sqlalchemy.create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as made:
        yield made
    engine.dispose()


class TestDatabases:
    def test_sqlalchemy_instances(self, shown: Shown, session: Session) -> None:
        """An instance shows the columns that are loaded; expired ones are not loaded for it."""
        user = User(id=1, name="Ada", password=LOGIN)
        session.add(user)
        session.flush()
        assert shown(user) == "<User id=1, name='Ada', password=[redacted]>"
        session.commit()
        assert shown(user) == f"<{__name__}.User object at {id(user):#x}>"
        assert "name" not in vars(user), "it was loaded"

    def test_sqlalchemy_rows(self, shown: Shown, session: Session) -> None:
        """A row shows its values with their names, secrets by name too."""
        session.add(User(id=1, name="Ada", password=LOGIN))
        session.flush()
        row = session.execute(sqlalchemy.select(User.id, User.name, User.password)).first()
        assert shown(row) == "Row(id=1, name='Ada', password=[redacted])"

    def test_django(self, shown: Shown) -> None:
        """A query set says whether it was evaluated, and is not; instances show their fields."""
        settings = pytest.importorskip("django.conf").settings
        if not settings.configured:
            settings.configure(INSTALLED_APPS=[], DATABASES={})
            __import__("django").setup()
        from django.db import models
        from django.db.models.query import QuerySet
        from django.test import RequestFactory

        class Order(models.Model):  # type: ignore[misc] # noqa: DJ008 - django has no types
            total = models.IntegerField()
            api_key = models.CharField()

            class Meta:
                app_label = "shop"

        of = f"<class '{Order.__module__}.{Order.__qualname__}'>"
        orders = Order.objects.all()
        assert shown(orders) == f"<QuerySet of {of}, not evaluated>"
        assert orders._result_cache is None
        orders._result_cache = [Order(total=n, api_key="abcdefgh") for n in range(30)]
        text = shown(orders)
        assert text.startswith(f"<QuerySet of {of}, 30 loaded: [<{Order.__qualname__} id=None, ")
        assert "total=0, api_key=[redacted]>" in text
        assert "… 20 more]" in text
        assert isinstance(orders, QuerySet)
        given = RequestFactory().get("/x/?page=2", headers={"authorization": HEADER})
        text = shown(given)
        assert text.startswith("<WSGIRequest method='GET', path='/x/'")
        assert LOGIN not in text


class TestModels:
    def test_pydantic(self, shown: Shown) -> None:
        """A model shows its fields, extra and private ones, without secrets."""

        class Order(BaseModel):
            model_config = ConfigDict(extra="allow")
            id: int
            key: SecretStr = SecretStr("abcdefgh")
            _tries: int = PrivateAttr(5)

        order = Order.model_validate({"id": 1, "more": [2]})
        hidden = "<SecretStr _secret_value=[redacted]>"
        assert shown(order) == f"Order(id=1, key={hidden}, more=[2], _tries=5)"

    def test_attrs(self, shown: Shown) -> None:
        """A class of attrs looks like its repr, with and without slots."""

        @attrs.define
        class Point:
            x: int
            y: object
            hidden: int = attrs.field(default=3, repr=False)

        @attrs.define(slots=False, repr=False)
        class Plain:
            x: int

            def __repr__(self) -> str:
                raise AssertionError("never to be run")

        assert shown(Point(1, [2])).endswith("Point(x=1, y=[2])")
        assert shown(Plain(1)).endswith("Plain(x=1)")


class TestArrays:
    @pytest.mark.parametrize(
        ("array", "expected"),
        [
            (np.arange(6).reshape(2, 3), "shape=(2, 3), dtype=int64, items=[0, 1, 2, 3, 4, 5]"),
            (np.arange(6).reshape(2, 3).T, "shape=(3, 2), dtype=int64, items=[0, 3, 1, 4, 2, 5]"),
            (np.arange(9)[::-4], "shape=(3,), dtype=int64, items=[8, 4, 0]"),
            (np.array(1.5), "shape=(), dtype=float64, items=[1.5]"),
            (np.zeros((0, 5)), "shape=(0, 5), dtype=float64, items=[]"),
            (np.array([True, False]), "shape=(2,), dtype=bool, items=[True, False]"),
            (np.array([1, 2], dtype=">u2"), "shape=(2,), dtype=uint16, items=[1, 2]"),
            (np.array([0.5], dtype="f2"), "shape=(1,), dtype=float16, items=[0.5]"),
            (np.array(["a", "né"]), "shape=(2,), dtype=str_, items=['a', 'né']"),
            (np.array([b"ab"]), "shape=(1,), dtype=bytes_, items=[b'ab']"),
            (np.array([[1], "x"], dtype=object), "shape=(2,), dtype=object_, items=[[1], 'x']"),
            (np.array(["2020-01-01"], dtype="M8[s]"), "shape=(1,), dtype=datetime64"),
            (np.array([1j]), "shape=(1,), dtype=complex128"),
        ],
    )
    def test_numpy(self, shown: Shown, array: object, expected: str) -> None:
        """An array shows shape, type and first items, however it lies in memory."""
        assert shown(array) == f"<ndarray {expected}>"

    def test_large_arrays(self, target: Callable[..., Target]) -> None:
        """Of an array of a million items the first ones are read; the variable says so."""
        array = np.ones(1_000_000)
        entry = target(items=2).renderer.variable("array", id(array))
        assert entry["value"] == (
            "<ndarray shape=(1000000,), dtype=float64, items=[1.0, 1.0, … 999,998 more]>"
        )
        assert entry["truncated"] is True

    @pytest.mark.parametrize("value", [np.int64(-3), np.float64(1.5), np.uint8(7), np.float32(0.5)])
    def test_numbers(self, shown: Shown, value: object) -> None:
        """A single number is shown as numpy 2 shows it."""
        assert shown(value) == f"np.{type(value).__name__}({value})"

    def test_truths(self, shown: Shown) -> None:
        """A truth of numpy is shown as numpy 2 shows it."""
        assert shown([np.True_, np.False_]) == "[np.True_, np.False_]"

    @pytest.mark.parametrize(
        "text",
        [
            "2024-02-29",
            "1969-12-31T23",
            "2024-02-29T12:34",
            "2024-02-29T12:34:56",
            "1969-12-31T23:59:59.999",
            "2024-02-29T12:34:56.000001",
            "2024-02-29T12:34:56.123456789",
            "NaT",
        ],
    )
    def test_instants(self, shown: Shown, text: str) -> None:
        """A moment of numpy is shown in its unit; to an hour, with the minutes that it has not."""
        minutes = ":00:00" if len(text) == 13 else ":00" if len(text) == 16 else ""
        assert shown(np.datetime64(text)) == f"np.datetime64('{text}{minutes}')"

    def test_instants_that_no_calendar_has(self, shown: Shown) -> None:
        """One beyond year 9999, or in years, is shown as any object."""
        for far in (np.datetime64(1 << 60, "s"), np.datetime64("2024")):
            assert shown(far) == f"<numpy.datetime64 object at {id(far):#x}>"

    def test_moments_of_pandas(self, shown: Shown) -> None:
        """To a microsecond, by their own names."""
        stamp = pd.Timestamp("2024-02-29 12:34:56.123456", tz="UTC")
        assert shown(stamp) == (
            "Timestamp(2024, 2, 29, 12, 34, 56, 123456, tzinfo=datetime.timezone.utc)"
        )
        assert shown(pd.Timestamp("2024-02-29")) == "Timestamp(2024, 2, 29, 0, 0)"
        assert shown(pd.Timedelta("3 days 2s")) == "Timedelta(days=3, seconds=2)"
        assert shown(pd.NaT) == "NaT"

    def test_pandas(self, shown: Shown) -> None:
        """A frame shows shape, columns and types, a series its first items too."""
        frame = pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2.5, 3.5], "c": [4, 5, 6]})
        assert re.fullmatch(
            r"<DataFrame shape=\(3, 3\), columns=\['a', 'b', 'c'\], dtypes=\[int64, float64.*\]>",
            shown(frame),
        )
        assert shown(frame["b"]) == (
            "<Series shape=(3,), name='b', dtype=float64, items=[1.5, 2.5, 3.5]>"
        )
        assert shown(frame.index) == "<RangeIndex shape=(3,), items=range(0, 3)>"

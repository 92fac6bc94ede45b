"""Secrets under generated names in all places that programs have: none of them gets out.

One program, traced for real, is given place after place; the snapshot, all that is made of it, and
what tracer and program print are searched for what was secret.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bcd.report.html import page
from bcd.report.text import Detail, View, plain
from bcd.send.backtrace import submission_of
from bcd.send.encoding import json_bytes
from bcd.send.otlp import request_of
from bcd.send.sentry.event import event_of
from bcd.snapshot import decode
from bcd.store.sql.engines import sqlite_engine, writing
from bcd.store.sql.store import SqlStore
from bcd.store.sql.versions import upgrade
from tests.pythons import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = REPOSITORY / "tests" / "targets" / "secrets" / "program.py"
COMMAND_LINE = [
    *("--db-password", "commandlinesecretone", "--api-key=commandlinesecrettwo"),
    *("postgresql://ada:commandlinesecretthree@db/shop", "TOKEN=commandlinesecretfour"),
]
EXAMPLES = int(os.environ.get("BCD_TEST_SECRETS", "25"))

Plant = dict[str, Any]

WORDS = [
    *("password", "passwd", "pwd", "passphrase", "secret", "token", "auth", "authorization"),
    *("cookie", "session", "csrf", "credential", "jwt", "access_token", "refresh_token", "ssn"),
    *("api_key", "apikey", "private_key", "secret_key", "card_number", "cvv"),
]
VISIBLE = [
    *("author", "authority", "tokenizer", "keyboard", "primary_key", "sort_key", "status_code"),
    *("monkey", "compass", "assassin", "secretary", "passwordless", "cookiecutter"),
]
SPELLINGS: list[Callable[[list[str]], str]] = [
    "_".join,
    lambda parts: "_".join(parts).upper(),
    lambda parts: parts[0] + "".join(part.title() for part in parts[1:]),
    lambda parts: "".join(part.title() for part in parts),
]
KEBAB: list[Callable[[list[str]], str]] = [
    "-".join,
    lambda parts: "X-" + "-".join(part.title() for part in parts),
]
# Places whose names have to be those of variables; the others may be spelled with hyphens too.
OF_VARIABLES = [
    *(
        "variable",
        "several",
        "bytes",
        "list under a name",
        "attribute",
        "slot",
        "dataclass",
        "named tuple",
    ),
    *("namespace", "partial", "assignment", "error attribute"),
]
OF_KEYS = [
    *("key", "bytes key", "ordered", "default", "chain", "proxy", "user dict", "items", "values"),
    *("pair", "bytes pair", "json", "json of json", "lines"),
]
OF_TEXTS = [
    *("url", "split url", "query", "fragment", "bearer", "header line", "basic", "bytes basic"),
    *("jwt", "private key", "cookie", "argument", "command", "arguments", "error"),
    *("long before", "long url"),
]
OF_LOCALS = ["variable", "several", "bytes", "number"]
OF_WHAT_IS_KNOWN = ["told", "long told"]

cores = st.text(st.sampled_from("bcdfghjklmnpqrstvwxz"), min_size=14, max_size=20)
odd = st.sampled_from(
    ["", "'", '"', "\\", "\n", "ä€", " ", "\U0001f511", "\t", "</b>", "%41", "{}"]
)
plain_marks = st.sampled_from(["", "_", "-", "0"])


@st.composite
def names(draw: st.DrawFn, spellings: list[Callable[[list[str]], str]]) -> str:
    """A name with a secret word, alone or among harmless ones."""
    word = draw(st.sampled_from(WORDS)).split("_")
    before = draw(st.sampled_from([[], ["db"], ["user", "old"]]))
    after = draw(st.sampled_from([[], ["value"], ["v"]]))
    return draw(st.sampled_from(spellings))([*before, *word, *after])


@st.composite
def plants(draw: st.DrawFn) -> list[Plant]:
    """One secret in its place; with it, for some places, what makes it known."""
    place = draw(st.sampled_from(OF_VARIABLES + OF_KEYS + OF_TEXTS + OF_WHAT_IS_KNOWN + ["number"]))
    name = draw(names(SPELLINGS if place in OF_VARIABLES else SPELLINGS + KEBAB))
    if place == "number":
        name = draw(names(SPELLINGS))
        secret = str(draw(st.integers(10**15, 10**16 - 1)))
    elif place in OF_TEXTS or place in ("assignment", "json of json", "lines"):
        secret = draw(cores) + draw(plain_marks) + draw(cores)
    else:
        secret = draw(cores) + draw(odd) + draw(cores)
    depth = 0 if place in OF_LOCALS else draw(st.integers(0, 2))
    plant = {"place": place, "name": name, "secret": secret, "depth": depth}
    if place in OF_WHAT_IS_KNOWN:
        known = {**plant, "place": "variable", "name": draw(names(SPELLINGS)), "depth": 0}
        return [plant, known]
    return [plant]


def variable_of(planted: list[Plant]) -> str:
    """The variable whose name is that of a plant: a second one would take its place."""
    names = (plant["name"] for plant in planted if plant["place"] in OF_LOCALS)
    return next(names, json.dumps(planted))


class Target:
    """The program under test, one trace for each line of its input."""

    def __init__(self, folder: Path) -> None:
        self._errors = (folder / "stderr").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, PROGRAM, folder, *COMMAND_LINE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def trace(self, planted: list[Plant], attributes: dict[str, str]) -> bytes:
        """Plant secrets, and return the snapshot."""
        hidden = [{**each, "secret": each["secret"].encode().hex()} for each in planted]
        given = {name: value.encode().hex() for name, value in attributes.items()}
        line = json.dumps({"plants": hidden, "attributes": given})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(line, file=self._process.stdin, flush=True)
        path = Path(self._process.stdout.readline().strip())
        assert path.is_file(), self.said()
        raw = path.read_bytes()
        path.unlink()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw

    def said(self) -> str:
        """What it and its tracers printed on standard error."""
        self._errors.seek(0)
        return self._errors.read()

    def end(self) -> None:
        """End the program."""
        self._process.communicate()
        self._errors.close()


@pytest.fixture(name="target", scope="module")
def _target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    target = Target(tmp_path_factory.mktemp("secrets"))
    yield target
    target.end()


def outputs(document: bytes, folder: Path) -> Iterator[tuple[str, str]]:
    """The snapshot and all that is made of it, each with what it is called."""
    snapshot = decode(document)
    everything = View(variables=Detail.FULL, threads=Detail.FULL, tasks=Detail.FULL)
    yield "file", document.decode()
    yield "text report", plain(snapshot, everything)
    yield "page", page(snapshot)
    yield "event of Sentry", json_bytes(event_of(snapshot)).decode()
    yield "log record", json_bytes(request_of(snapshot)).decode()
    yield "submission of Backtrace", json_bytes(submission_of(snapshot)).decode()
    yield "index", index_of(snapshot.id, document, folder)


def index_of(snapshot_id: str, document: bytes, folder: Path) -> str:
    """What the files of a database hold of a snapshot."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        engine = sqlite_engine(str(Path(name, "index.db")))
        upgrade(writing(engine), "the test")
        SqlStore(engine, "the test").add([(snapshot_id, document)])
        engine.dispose()
        return b"".join(path.read_bytes() for path in Path(name).iterdir()).decode("latin-1")


def telling_parts(secret: str) -> list[str]:
    """What must be nowhere: the beginning of each longer run of letters or digits."""
    return [part[:8] for part in re.split(r"[^a-z0-9]+", secret) if len(part) > 8]


def leak(document: bytes, said: str, secrets: list[str], folder: Path) -> str | None:
    """Say where a secret got out."""
    for what, content in [*outputs(document, folder), ("standard error", said)]:
        for secret in secrets:
            for part in telling_parts(secret):
                at = content.find(part)
                if at >= 0:
                    return f"{secret!r} in {what}: …{content[max(0, at - 300) : at + 60]}…"
    return None


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.lists(plants(), min_size=1, max_size=12, unique_by=variable_of),
    st.dictionaries(names([*SPELLINGS, *KEBAB]), cores, max_size=2),
)
def test_no_secret_gets_out(
    target: Target, tmp_path: Path, planted: list[list[Plant]], attributes: dict[str, str]
) -> None:
    """Wherever a program has them, under whatever secret name, in whatever form."""
    all_planted = [plant for each in planted for plant in each]
    document = target.trace(all_planted, attributes)
    secrets = [plant["secret"] for plant in all_planted]
    secrets += [*attributes.values(), *re.findall("commandlinesecret[a-z]+", str(COMMAND_LINE))]
    assert leak(document, target.said(), secrets, tmp_path) is None


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.sampled_from(VISIBLE), st.sampled_from(OF_VARIABLES[:1] + OF_VARIABLES[3:9]), cores)
def test_what_only_looks_like_one_is_shown(
    target: Target, name: str, place: str, value: str
) -> None:
    """Values under names such as ``author`` and ``tokenizer`` stay visible."""
    document = target.trace([{"place": place, "name": name, "secret": value, "depth": 0}], {})
    assert value.encode() in document

"""The document: what is written can be read, and what cannot be read is said clearly."""

from __future__ import annotations

import gzip
import json
import math
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bcd
from bcd.errors import SnapshotCorrupt, SnapshotError, SnapshotTooNew
from bcd.snapshot import codec, decode, encode, from_dict, load_schema, new_id, to_dict
from bcd.snapshot.format import (
    FORMAT_VERSION,
    GZIP_ABOVE,
    file_name,
    id_of_file,
    is_id,
    kind_in,
)
from bcd.snapshot.model import (
    ExceptionChain,
    ExceptionRecord,
    Frame,
    Process,
    Reason,
    Snapshot,
    SourceLines,
    Task,
    Thread,
    TracerInfo,
    Variable,
)

SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"

CLOSED = jsonschema.Draft202012Validator(load_schema(closed=True))

texts = st.text(st.characters(), max_size=8) | st.sampled_from(
    ["\ud800", "\x1b[31m", "\u202e", "é"]
)
counts = st.integers(0, 2**40)
numbers = counts | st.floats(0, 1e9)
times = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
sentences = st.lists(texts, max_size=2).map(tuple)
addresses = counts.map(hex)
variables = st.builds(
    Variable,
    name=texts,
    type=texts,
    value=texts,
    address=st.none() | addresses,
    truncated=st.booleans(),
)
frames = st.lists(
    st.builds(
        Frame,
        function=texts,
        file=texts,
        line=st.none() | st.integers(1, 10**6),
        end_line=st.none() | st.integers(1, 10**6),
        column=st.none() | counts,
        end_column=st.none() | counts,
        in_app=st.booleans(),
        locals=st.lists(variables, max_size=2).map(tuple),
        skipped_before=counts,
    ),
    max_size=2,
).map(tuple)


@st.composite
def chains(draw: st.DrawFn) -> ExceptionChain:
    """Exceptions that refer to each other in any way, circles and themselves too."""
    size = draw(st.integers(1, 3))
    index = st.integers(0, size - 1)
    record = st.builds(
        ExceptionRecord,
        type=texts,
        message=texts,
        notes=sentences,
        frames=frames,
        cause=st.none() | index,
        context=st.none() | index,
        suppress_context=st.booleans(),
        children=st.lists(index, max_size=2).map(tuple),
    )
    records = tuple(draw(record) for _ in range(size))
    return ExceptionChain(root=draw(index), list=records)


threads = st.builds(
    Thread,
    tid=counts,
    name=st.none() | texts,
    daemon=st.none() | st.booleans(),
    faulted=st.booleans(),
    gil=st.booleans(),
    frames=frames,
    waiting_for=st.none() | texts,
    held_by=st.none() | counts,
    interpreter=counts,
    handling=st.none() | chains(),
)
tasks = st.builds(
    Task,
    id=addresses,
    name=texts,
    state=st.sampled_from(["running", "waiting", "ready"]),
    waiting_for=st.none() | texts,
    awaited_by=st.lists(addresses, max_size=2).map(tuple),
    frames=frames,
    held_by=st.none() | addresses,
    interpreter=counts,
    handling=st.none() | chains(),
)
sources = st.builds(
    SourceLines,
    lines=st.dictionaries(st.integers(1, 10**6), texts, max_size=2),
    changed=st.booleans(),
)
processes = st.builds(
    Process,
    pid=counts,
    ppid=st.none() | counts,
    executable=st.none() | texts,
    command_line=st.none() | sentences,
    started=st.none() | times,
    uptime_s=st.none() | numbers,
    uids=st.none() | st.dictionaries(texts, counts, max_size=2),
    cpu=st.none() | st.dictionaries(texts, numbers, max_size=2),
    load=st.none() | st.lists(numbers, max_size=3).map(tuple),
    environment=st.none() | st.dictionaries(texts, texts, max_size=2),
)
tracers = st.builds(
    TracerInfo,
    name=texts,
    version=texts,
    mode=st.sampled_from(["frozen", "gil-held", "attached", "unpaused", "recorded"]),
    python=texts,
    blocked_ms=st.none() | numbers,
    read_ms=st.none() | numbers,
    total_ms=st.none() | numbers,
    limits=st.dictionaries(texts, numbers, max_size=2),
)
reasons = st.builds(
    Reason,
    kind=st.sampled_from(["error", "request", "signal", "dump"]),
    fingerprint=st.none() | st.from_regex(r"\A[0-9a-f]{16}\Z"),
)
snapshots = st.builds(
    Snapshot,
    id=st.builds(new_id),
    created=times,
    tracer=tracers,
    reason=reasons,
    process=processes,
    attributes=st.dictionaries(texts, texts, max_size=2),
    classifiers=sentences,
    exception=st.none() | chains(),
    threads=st.lists(threads, max_size=2).map(tuple),
    deadlocks=sentences,
    tasks=st.lists(tasks, max_size=2).map(tuple),
    sources=st.dictionaries(texts, sources, max_size=2),
    truncated=sentences,
    notes=sentences,
)
thorough = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(name="document")
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SAMPLE.read_bytes())
    return document


@given(snapshots)
@thorough
def test_what_is_written_reads_back_equal(snapshot: Snapshot) -> None:
    """Model → dict → model and model → bytes → model give an equal model."""
    assert from_dict(to_dict(snapshot)) == snapshot
    assert decode(encode(snapshot)) == snapshot


@given(snapshots)
@thorough
def test_what_is_written_keeps_to_the_schema(snapshot: Snapshot) -> None:
    """Every document validates against the schema and has no key that it does not name."""
    CLOSED.validate(json.loads(json.dumps(to_dict(snapshot))))


def test_the_schema_is_itself_valid() -> None:
    """The published schema is a valid JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(load_schema())


def test_the_schema_names_every_field_of_the_model(document: dict[str, Any]) -> None:
    """The sample validates, and a misspelt key in it is found by the closed schema."""
    CLOSED.validate(document)
    document["threads"][0]["tdi"] = 1
    jsonschema.Draft202012Validator(load_schema()).validate(document)
    with pytest.raises(jsonschema.ValidationError, match="tdi"):
        CLOSED.validate(document)


def test_the_sample_survives_the_model(document: dict[str, Any]) -> None:
    """A realistic document comes out of the model as it went in."""
    assert to_dict(from_dict(document)) == document


@given(cut=st.integers(0), compressed=st.booleans())
@thorough
def test_a_file_cut_short_is_corrupt(cut: int, compressed: bool) -> None:  # noqa: FBT001
    """Cut anywhere, plain or compressed, a snapshot gives SnapshotCorrupt."""
    data = SAMPLE.read_bytes().rstrip()
    data = gzip.compress(data) if compressed else data
    with pytest.raises(SnapshotCorrupt):
        decode(data[: cut % len(data)])


@given(place=st.integers(0), byte=st.integers(0, 255), compressed=st.booleans())
@thorough
def test_a_flipped_byte_never_gives_another_error(place: int, byte: int, compressed: bool) -> None:  # noqa: FBT001
    """A damaged file reads as a snapshot or raises a SnapshotError, whatever the damage."""
    data = bytearray(SAMPLE.read_bytes())
    data = bytearray(gzip.compress(data)) if compressed else data
    data[place % len(data)] ^= byte
    with suppress(SnapshotError):
        assert isinstance(decode(bytes(data)), Snapshot)


@given(st.binary(max_size=64) | st.binary(max_size=64).map(b"\x1f\x8b\x08".__add__))
@thorough
def test_random_bytes_are_corrupt(data: bytes) -> None:
    """Bytes that are no snapshot give SnapshotCorrupt and nothing else."""
    with pytest.raises(SnapshotCorrupt):
        decode(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


@given(data=st.data(), value=JSON)
@thorough
def test_a_wrong_value_anywhere_gives_no_other_error(data: st.DataObject, value: object) -> None:
    """Any JSON in the place of any value of a document reads or raises SnapshotError."""
    document: Any = json.loads(SAMPLE.read_bytes())
    holder, key = document, data.draw(st.sampled_from(sorted(document)))
    while isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
        holder = holder[key]
        keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
        key = data.draw(st.sampled_from(list(keys)))
    holder[key] = value
    with suppress(SnapshotError):
        assert isinstance(from_dict(document), Snapshot)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"[1]", 'no "format"'),
        (b'{"format": true}', 'no "format"'),
        (b'{"format": 0}', 'no "format"'),
        (b'{"format": 1}', 'lacks the key "id"'),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format": ' + b"1" * 5000 + b"}", "no JSON"),
        (b"\xff\xfe\xff", "no JSON"),
        (gzip.compress(bytes(codec.MAX_BYTES + 1)), "larger than 64 MiB"),
    ],
    ids=str,
)
def test_the_message_says_what_is_wrong(data: bytes, message: str) -> None:
    """Each kind of damage is named."""
    with pytest.raises(SnapshotCorrupt, match=message):
        decode(data)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("process", "pid"), "1", "process.pid must be an integer"),
        (("process", "pid"), True, "process.pid must be an integer"),
        (("process", "pid"), 2**70, "process.pid must be an integer of at most 64 bits"),
        (("tracer", "read_ms"), math.inf, "tracer.read_ms must be a finite number"),
        (("created",), "yesterday", "created must be a time"),
        (("threads", 1, "frames", 0, "file"), None, r"threads\[1\].frames\[0\].file must be"),
        (("attributes", "http.route"), 1, r'attributes\["http.route"\] must be a string'),
        (("exception", "list", 0, "cause"), 7, "exception 7 of 3"),
        (("exception", "root"), -1, "exception -1 of 3"),
    ],
)
def test_a_misfit_is_named_by_its_place(
    document: dict[str, Any], path: tuple[Any, ...], value: object, message: str
) -> None:
    """A value of the wrong kind gives SnapshotCorrupt with the path to it."""
    holder: Any = document
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    with pytest.raises(SnapshotCorrupt, match=message):
        from_dict(document)


def test_unknown_keys_are_ignored(document: dict[str, Any]) -> None:
    """A document with keys of a later minor version reads as it would without them."""
    plain = from_dict(document)
    document["weather"] = document["process"]["mood"] = {"x": [1]}
    document["threads"][0]["frames"][0]["colour"] = 3
    document["sources"]["/srv/shop/app.py"]["encoding"] = "utf-8"
    assert from_dict(document) == plain


def test_a_newer_format_is_refused(document: dict[str, Any]) -> None:
    """A document of a newer format says that bcd has to be updated."""
    document["format"] = FORMAT_VERSION + 1
    with pytest.raises(SnapshotTooNew, match="update bcd"):
        from_dict(document)


def test_an_older_format_is_accepted(
    document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later bcd reads what this one writes."""
    monkeypatch.setattr(codec, "FORMAT_VERSION", FORMAT_VERSION + 1)
    assert from_dict(document).format == 1


def test_big_documents_are_compressed(document: dict[str, Any]) -> None:
    """Above 64 KiB the bytes are gzip, below they are plain JSON."""
    small = from_dict(document)
    big = replace(small, notes=tuple(map(str, range(20_000))))
    assert encode(small).startswith(b"{")
    assert gzip.decompress(encode(big)).startswith(b"{")
    assert decode(encode(big)) == big


def test_ids_are_unique_and_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids of later milliseconds sort later, ids of one millisecond differ."""
    moments = [0, 1, 1_700_000_000_000, 1_700_000_000_001, 2**48 - 1]
    made = []
    for moment in moments:
        monkeypatch.setattr("time.time_ns", lambda moment=moment: moment * 1_000_000)
        made.append([new_id() for _ in range(50)])
    assert [min(each)[:10] for each in made] == sorted({each[0][:10] for each in made})
    assert len({each for group in made for each in group}) == len(moments) * 50
    assert all(is_id(each) for group in made for each in group)


def test_an_id_tells_its_fingerprint() -> None:
    """Ids of one fingerprint have a part in common, and are ids, each one unique."""
    made = [new_id("0123456789abcdef") for _ in range(50)]
    assert {kind_in(each) for each in made} == {"04HMASW9"}
    assert kind_in(new_id("0123456799abcdef")) != "04HMASW9"
    assert len(set(made)) == 50
    assert all(map(is_id, made))


def test_the_time_of_an_id_is_that_of_the_standard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of the ULID specification's reference implementation gives its time part."""
    monkeypatch.setattr("time.time_ns", lambda: 1469918176385 * 1_000_000)
    assert new_id().startswith("01ARYZ6S41")


@pytest.mark.parametrize("size", [0, GZIP_ABOVE, GZIP_ABOVE + 1])
def test_a_file_is_known_by_its_name(size: int) -> None:
    """The id of a file's name is found again, compressed or not."""
    made = new_id()
    assert file_name(made, size).endswith(".gz") == (size > GZIP_ABOVE)
    assert id_of_file(file_name(made, size)) == made


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".bcd.json",
        "notes.bcd.json",
        ".01ARYZ6S41TSV4RRFFQ69G5FAV.bcd.json.tmp",
        "01ARYZ6S41TSV4RRFFQ69G5FAV.json",
        "01aryz6s41tsv4rrffq69g5fav.bcd.json",
        "81ARYZ6S41TSV4RRFFQ69G5FAV.bcd.json",
        "01ARYZ6S41TSV4RRFFQ69G5FAV.bcd.json.gz.tmp",
    ],
)
def test_other_files_are_no_snapshots(name: str) -> None:
    """Temporary and foreign names have no id."""
    assert id_of_file(name) is None


def test_the_tracer_process_pays_for_nothing() -> None:
    """The module that the tracer process imports loads no module but its own."""
    code = (
        "import sys, os, time; before = set(sys.modules)\n"
        "package = type(sys)('bcd'); package.__path__ = [sys.argv[1]]\n"
        "sys.modules['bcd'] = package\n"
        "import bcd.snapshot.format\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(Path(bcd.__file__).parent)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    loaded = set(run.stdout.split()) - {"__future__"}
    assert loaded == {"bcd", "bcd.snapshot", "bcd.snapshot.format"}

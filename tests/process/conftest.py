"""Runs target programs under every supported interpreter, and checks each snapshot they make."""

from __future__ import annotations

import functools
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema
import pytest

from bcd.snapshot import decode, load_schema
from tests.process.agreement import Agreement, Tally
from tests.process.damages import Damages
from tests.process.ended import Ended, run_program
from tests.pythons import REPOSITORY, SUPPORTED, find
from tests.recording import RecordingProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TARGETS = REPOSITORY / "tests" / "targets" / "reading"

CLOSED = jsonschema.Draft202012Validator(load_schema(closed=True))


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A snapshot file as JSON, once it has proven valid against the published schema."""
    raw = Path(path).read_bytes()
    text = gzip.decompress(raw) if Path(path).suffix == ".gz" else raw
    document: dict[str, Any] = json.loads(text)
    CLOSED.validate(document)
    assert decode(raw).id == document["id"]
    return document


TALLY = pytest.StashKey[Tally]()
DAMAGES = pytest.StashKey[Damages]()


def pytest_configure(config: pytest.Config) -> None:
    """Count, over the whole session, what the tests compare with the truth, and damaged memory."""
    config.stash[TALLY] = Tally()
    config.stash[DAMAGES] = Damages()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print what was compared with the truth, and what came of damaged memory."""
    for title, counts in (
        ("snapshots beside the truth", config.stash[TALLY]),
        ("snapshots of damaged processes", config.stash[DAMAGES]),
    ):
        lines = list(counts.table())
        if lines:
            terminalreporter.section(title)
            terminalreporter.write("\n".join([*lines, ""]))


class Traced(NamedTuple):
    """What a target program said of itself, and what the tracer process said of it."""

    truth: Any
    snapshot: dict[str, Any]
    path: Path


@pytest.fixture(params=SUPPORTED, scope="session")
def interpreter(request: pytest.FixtureRequest) -> str:
    """The path of one supported interpreter after the other."""
    found = find(request.param)
    if found is not None:
        return found
    reason = f"no Python {request.param}: name one in BCD_TEST_PYTHONS, or put it on PATH"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def version(interpreter: str) -> str:
    """The version of the interpreter, such as 3.11."""
    return interpreter.rpartition("python")[2]


@pytest.fixture
def run(tmp_path: Path, interpreter: str) -> Callable[..., Ended]:
    """Runs a program under one Python after the other, with ``setup`` as its beginning."""
    return functools.partial(run_program, tmp_path, interpreter=interpreter)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[RecordingProgram]:
    """A tracer that may outlive the program, but not the test."""
    tracer = RecordingProgram(tmp_path)
    yield tracer
    tracer.end()


@pytest.fixture
def agreement(version: str, request: pytest.FixtureRequest) -> Agreement:
    """Compares snapshots with the truth, for the table of the session."""
    return Agreement(version, request.config.stash[TALLY])


@pytest.fixture(scope="session")
def libraries(version: str) -> str:
    """A folder with libraries for the interpreter, brought from the registry once."""
    folder = REPOSITORY / ".pythons" / "libraries" / version
    done = subprocess.run(
        [REPOSITORY / ".ci" / "libraries", folder, version, sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return str(folder)
    reason = f"no libraries for Python {version}: {done.stderr[-500:]}"
    if os.environ.get("CI") == "true" and version == SUPPORTED[0]:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def run_target(
    interpreter: str, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., list[Traced]]:
    """Run a target to its end; it prints one JSON line for each trace it made of itself.

    The same target with the same arguments is run once for each interpreter, which may be given
    options, variables (as ``NAME=value``) and a folder of libraries.
    """

    @functools.cache
    def run(
        name: str,
        *arguments: str,
        stdin: str = "",
        options: tuple[str, ...] = (),
        variables: tuple[str, ...] = (),
        libraries: str = "",
    ) -> list[Traced]:
        folder = tmp_path_factory.mktemp("snapshots") / "kept"
        environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        environment["PYTHONPATH"] = f"{REPOSITORY}:{libraries}".rstrip(":")
        done = subprocess.run(
            [interpreter, *options, TARGETS / name, folder, *arguments],
            env=environment | dict(variable.split("=", 1) for variable in variables),
            input=stdin.encode(),
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines, "the target has to trace itself"
        return [Traced(line["truth"], load(line["path"]), Path(line["path"])) for line in lines]

    return run

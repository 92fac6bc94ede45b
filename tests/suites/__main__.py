"""Do the frameworks' own tests pass with bcd as they do without?

Downloads the source packages of Starlette, Flask and Celery, runs their tests as they are and
under ``bcd run``, in an environment of their own, and compares the outcome of each test:
``python -m tests.suites [FOLDER [NAME …]]``. A test that fails without bcd too is none of ours.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

_ROOT = Path(__file__).parents[2]
_TOOLS = ("pytest<9", "pytest-timeout")


class Suite(NamedTuple):
    """The tests of one framework."""

    package: str
    paths: tuple[str, ...]
    needs: tuple[str, ...]


SUITES = {
    "starlette": Suite(
        "starlette==1.10.0",
        ("tests",),
        (
            *("anyio", "httpx", "httpx2", "itsdangerous", "jinja2", "opentelemetry-sdk"),
            *("python-multipart", "pyyaml", "trio"),
        ),
    ),
    "flask": Suite(
        "flask==3.1.3", ("tests",), ("asgiref", "cryptography", "python-dotenv", "greenlet")
    ),
    "celery": Suite(
        "celery[pydantic,redis,sqlalchemy]==5.7.0",
        ("t/unit/app", "t/unit/tasks"),
        (
            *("cryptography", "freezegun", "pytest-celery", "pytest-click", "pytest-order"),
            "pytest-subtests<0.16",
        ),
    ),
}


def main() -> int:
    """Compare the suites that are named, or all; the exit status says whether any differs."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else _ROOT / ".suites").absolute()
    differing = 0
    for name in sys.argv[2:] or SUITES:
        python, source = _prepare(folder / name, SUITES[name])
        plain = _outcomes(source, [str(python)], SUITES[name], folder / name / "plain")
        command = [str(python.with_name("bcd")), "run", "--", str(python)]
        watched = _outcomes(source, command, SUITES[name], folder / name / "watched")
        differing += _compare(name, plain, watched)
    return min(differing, 1)


def _prepare(folder: Path, suite: Suite) -> tuple[Path, Path]:
    """An environment with bcd and what the tests need, and the unpacked source package."""
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        _pip(python, "install", "--editable", str(_ROOT), *_TOOLS, suite.package, *suite.needs)
    plain_name = suite.package.partition("[")[0].partition("=")[0]
    wanted = f"{plain_name}=={suite.package.partition('==')[2]}"
    if not list(folder.glob("*.tar.gz")):
        from_source = ("--no-deps", "--no-binary", ":all:", "--dest", str(folder))
        _pip(python, "download", *from_source, wanted)
    archive = next(folder.glob("*.tar.gz"))
    source = folder / archive.name.removesuffix(".tar.gz")
    if not source.exists():
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
    return python, source


def _pip(python: Path, *arguments: str) -> None:
    quiet = ("--disable-pip-version-check", "-qq")
    subprocess.run([str(python), "-m", "pip", *arguments, *quiet], check=True)


def _outcomes(source: Path, python: list[str], suite: Suite, found: Path) -> dict[str, str]:
    """Run the tests; the outcome of each, by its name."""
    report = found.with_suffix(".xml")
    settings = {"BCD_DIR": str(found), "PYTHONDONTWRITEBYTECODE": "1"}
    options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", f"--junitxml={report}")
    with found.with_suffix(".log").open("w") as log:
        subprocess.run(
            [*python, "-m", "pytest", *options, *suite.paths],
            cwd=source,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    cases = ET.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it
    return {f"{case.get('classname')}::{case.get('name')}": _outcome(case) for case in cases}


def _outcome(case: ET.Element) -> str:
    ends = [child.tag for child in case if child.tag in {"failure", "error", "skipped"}]
    return ends[0] if ends else "passed"


def _compare(name: str, plain: dict[str, str], watched: dict[str, str]) -> int:
    """Print how many tests there were and which differ; returns how many these are."""
    passed = sum(outcome == "passed" for outcome in plain.values())
    differing = {
        test for test in plain.keys() | watched.keys() if plain.get(test) != watched.get(test)
    }
    print(f"{name}: {len(plain)} tests, {passed} pass without bcd; {len(differing)} differ with it")
    if not passed:  # what is needed may be missing
        print("  nothing is compared: see the log beside the source")
        return 1
    for test in sorted(differing):
        print(f"  {test}: {plain.get(test)} without, {watched.get(test)} with bcd")
    return len(differing)


if __name__ == "__main__":
    sys.exit(main())

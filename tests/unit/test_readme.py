"""README.md and docs/ say what is true: their examples run, and what they name exists."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bcd
from bcd.snapshot.limits import DEFAULTS

SETTINGS = "docs/settings.md"
PROJECT = Path(bcd.__file__).parents[1]
PAGES = {
    str(path.relative_to(PROJECT)): path.read_text()
    for path in (PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md")))
}
README = PAGES["README.md"]


def blocks(page: str, language: str) -> list[str]:
    """The blocks of code in a page that are marked as of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


EXAMPLES = [code for page in PAGES.values() for code in blocks(page, "python")]
LINES_OF_TWO = re.findall(r"^\| [^|]* \| `(from [^`]*)`; `([^`]*)` \|$", README, re.MULTILINE)
COMMANDS = [line.partition("#")[0].strip() for line in blocks(README, "sh")[0].splitlines()]
LINKS = [
    (page, link) for page, text in PAGES.items() for link in re.findall(r"\]\(([\w./#-]+)\)", text)
]

# What a reader of the examples has already.
APPLICATIONS = """
import flask
from starlette.applications import Starlette

starlette_app, asgi_app = Starlette(), Starlette()
flask_app = flask.Flask("shop")
wsgi_app = flask.Flask("other").wsgi_app
"""


# What a reader of the table of integrations has, by the name that it is given there.
READERS = """
import logging
import flask
from starlette.applications import Starlette

app = {app}
logger = logging.getLogger("shop")
"""


def section(page: str, title: str) -> str:
    """The text of a page under a heading."""
    return PAGES[page].partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def anchors(page: str) -> set[str]:
    """What a link may name of a page: its headings, as GitHub spells them there."""
    titles = re.findall(r"^#+ (.*)$", PAGES[page], re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def first_cells(text: str) -> set[str]:
    """The names in the first column of a table of settings."""
    rows = re.findall(r"^\| (`.*?`) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def run_example(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run an example as a program of its own, which may not even warn."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "BCD_DIR": str(folder)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_first_commands() -> None:
    """A stranger is shown the demo first and the tests second."""
    assert COMMANDS[:2] == ["make demo", "make test"]


def test_ci_runs_the_second_command() -> None:
    """The CI proves what the README promises."""
    assert (PROJECT / ".ci" / "run").read_text().splitlines()[-1] == "exec make test"


@pytest.mark.parametrize("code", EXAMPLES)
def test_example_runs(code: str, tmp_path: Path) -> None:
    """An example can be copied and works."""
    run = run_example(APPLICATIONS + code, tmp_path / "snapshots")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""


@pytest.mark.parametrize("lines", LINES_OF_TWO)
def test_two_lines_run(lines: tuple[str, str], tmp_path: Path) -> None:
    """The two lines of each integration can be copied and work."""
    app = 'flask.Flask("shop")' if re.search("flask|wsgi", lines[0]) else "Starlette()"
    run = run_example("\n".join((READERS.format(app=app), *lines)), tmp_path / "snapshots")
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""


def test_all_have_two_lines() -> None:
    """All that have them are found in the table."""
    assert len(LINES_OF_TWO) == 7


def test_example_of_trace_prints_a_snapshot(tmp_path: Path) -> None:
    """The example of ``trace`` prints the path of a snapshot that there is."""
    (code,) = (code for code in EXAMPLES if "result.stdout" in code)
    path = Path(run_example(code, tmp_path / "snapshots").stdout.strip())
    assert path.parent == tmp_path / "snapshots"
    assert path.is_file()


def test_example_of_recover_takes_a_snapshot(tmp_path: Path) -> None:
    """The example of ``recover`` leaves one snapshot."""
    (code,) = (code for code in EXAMPLES if "@bcd.recover(" in code)
    run_example(code, tmp_path / "snapshots")
    assert len(list((tmp_path / "snapshots").glob("*.bcd.json*"))) == 1


def test_settings_of_the_tracer() -> None:
    """The table of ``PythonTracer`` has its arguments, all of them."""
    parameters = inspect.signature(bcd.PythonTracer).parameters
    assert first_cells(section(SETTINGS, "`PythonTracer`")) == set(parameters)


def test_settings_of_integrations() -> None:
    """The table of the integrations has their arguments, all of them."""
    from bcd.integrations.asgi import BcdMiddleware  # not before this test wants it

    parameters = set(inspect.signature(BcdMiddleware).parameters) - {"app"}
    assert first_cells(section(SETTINGS, "Integrations")) == parameters


def test_settings_of_the_process() -> None:
    """The table of ``init`` has its arguments, all of them, with the variables that there are."""
    from bcd.settings import Arguments  # not before this test wants it
    from bcd.settings.reading import variables

    rows = section(SETTINGS, "The whole process")
    assert first_cells(rows) == set(Arguments.__annotations__)
    assert set(re.findall(r"`(BCD_\w+)`", rows)) == set(variables())


def test_limits() -> None:
    """Every limit is named with its default."""
    named = re.findall(r"`(\w+)=(\d+)`", section(SETTINGS, "Limits"))
    assert {name: int(value) for name, value in named} == DEFAULTS


def test_names_for_users_of_go() -> None:
    """What the table for users of go-bcd names exists."""
    names = re.findall(r"\bbcd\.(\w+)", section("docs/engine.md", "If you know go-bcd"))
    assert set(names) <= set(bcd.__all__)
    assert {"trace", "recover", "update_config", "GlobalConfig", "TraceOptions"} <= set(names)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"`make (\w+)", "".join(PAGES.values())))))
def test_commands_exist(target: str) -> None:
    """Every ``make`` command that is named is a target."""
    assert re.search(rf"^{target}:", (PROJECT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_links_lead_somewhere(page: str, link: str) -> None:
    """Every link to a file of the project, or to a heading in one, finds it."""
    file, _, anchor = link.partition("#")
    target = (PROJECT / page).parent / file if file else PROJECT / page
    assert target.exists()
    assert not anchor or anchor in anchors(str(target.resolve().relative_to(PROJECT)))


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {"README.md"}))
def test_every_page_is_found_from_the_first(page: str) -> None:
    """A reader of README.md is led to each page of docs/."""
    assert re.search(rf"\]\({re.escape(page)}[)#]", README)


def test_settings_of_the_readme() -> None:
    """What README.md says of settings is in the table of all of them."""
    rows = section("README.md", "Settings")
    assert rows
    whole = section(SETTINGS, "The whole process")
    assert first_cells(rows) <= first_cells(whole)
    assert set(re.findall(r"`(BCD_\w+)`", rows)) <= set(re.findall(r"`(BCD_\w+)`", whole))

"""Each setting by argument and by variable, and what is said of those that cannot be used."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bcd
from bcd.errors import ConfigError
from bcd.gate import Gate
from bcd.integrations.automatic import AUTOMATIC
from bcd.settings import INTEGRATIONS, Settings, current_settings, misspelled, read
from bcd.settings.reading import _SETTINGS
from bcd.tracers.backtrace import BTTracer
from bcd.tracers.python import PythonTracer
from bcd.variables import Variables
from tests.recording import RecordingProgram

if TYPE_CHECKING:
    from collections.abc import Mapping


def of_arguments(**arguments: object) -> Settings:
    """The settings of a call of ``init``."""
    return read(arguments, Variables({}, strict=True))


def of_variables(**environ: str) -> Settings:
    """The settings of an environment."""
    return read({}, Variables(environ, strict=True))


def function(_: BaseException, attributes: dict[str, str]) -> Mapping[str, object]:
    """Stands for a user's ``before_trace``."""
    return attributes


TRACER = PythonTracer()

BOTH_WAYS = [
    ("tracer", "pyspy", "pyspy", "pyspy"),
    ("tracer", "/opt/tracer", "/opt/tracer", "/opt/tracer"),
    ("hooks", ["unraisable", "excepthook"], "unraisable,excepthook", ("excepthook", "unraisable")),
    ("hooks", [], "none", ()),
    ("integrations", ["flask", "celery"], "flask,celery", ("celery", "flask")),
    ("integrations", ["fastapi"], "fastapi", ("starlette",)),
    ("integrations", ["-flask", "-celery", "-fastapi"], "-flask,-celery,-fastapi",
     ("django", "gunicorn", "uvicorn")),
    ("integrations", [], "none", ()),
    ("release", "1.2.3", "1.2.3", "1.2.3"),
    ("environment", "staging", "staging", "staging"),
    ("service", "shop", "shop", "shop"),
    ("attributes", {"team": "x", "shard": "3"}, "team=x, shard=3", {"team": "x", "shard": "3"}),
    ("ignore", ["shop.OutOfStock"], "shop.OutOfStock", ("shop.OutOfStock",)),
    ("redact", ["iban", "pin"], "iban,pin", ("iban", "pin")),
    ("reveal", ("session",), "session", ("session",)),
    ("limits", {"string": 500, "items": 9}, "string=500,items=9", {"string": 500, "items": 9}),
    ("timeout", 7, "7", 7.0),
    ("timeout", -1, "-1", -1.0),
    ("timeout", math.inf, "inf", math.inf),
    ("python", "/usr/bin/python3", "/usr/bin/python3", "/usr/bin/python3"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "argument", "text", "value"), BOTH_WAYS)
def test_by_argument_and_by_variable(name: str, argument: object, text: str, value: object) -> None:
    """Both mean the same."""
    assert getattr(of_arguments(**{name: argument}), name) == value
    assert getattr(of_variables(**{f"BCD_{name.upper()}": text}), name) == value


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("tracer", TRACER, TRACER),
        ("ignore", [KeyError, "shop.Gone"], (KeyError, "shop.Gone")),
        ("ignore", KeyError, (KeyError,)),
        ("before_trace", function, function),
        ("attributes", {"shard": 3, "share": 0.5}, {"shard": "3", "share": "0.5"}),
        ("folder", Path("/var/lib/bcd"), "/var/lib/bcd"),
        ("timeout", timedelta(minutes=1), 60.0),
    ],
)
def test_by_argument_alone(name: str, argument: object, value: object) -> None:
    """Objects that a text cannot name."""
    assert getattr(of_arguments(**{name: argument}), name) == value


def test_every_setting_is_tried_both_ways() -> None:
    """A new setting needs its line here."""
    assert {row[0] for row in BOTH_WAYS} | {"before_trace", "folder"} == set(_SETTINGS)


@pytest.mark.parametrize("wrong", [["bottle"], ["flask", "-celery"], ["--flask"], "flask", [3]])
def test_integrations_that_cannot_be(wrong: object) -> None:
    """The message names those that can."""
    with pytest.raises(ConfigError, match="accepted is a list of celery, django, flask"):
        of_arguments(integrations=wrong)


def test_integrations_are_those_in_the_table() -> None:
    """All of them are switched on unless something else is said."""
    assert tuple(AUTOMATIC) == INTEGRATIONS == of_arguments().integrations


def test_a_function_by_variable() -> None:
    """It is looked up when it is first called, for its module may be importing bcd now."""
    settings = of_variables(BCD_BEFORE_TRACE="operator:or_")
    assert settings.before_trace is not None
    assert settings.before_trace({"a": 1}, {"b": "2"}) == {"a": 1, "b": "2"}  # type: ignore[arg-type]  # any two


def test_arguments_go_over_variables() -> None:
    """One that is None is not given, an empty one is."""
    environ = {"BCD_RELEASE": "1", "BCD_SERVICE": "shop", "BCD_IGNORE": "a.B"}
    arguments = {"release": "2", "service": None, "ignore": ()}
    settings = read(arguments, Variables(environ, strict=True))
    assert (settings.release, settings.service, settings.ignore) == ("2", "shop", ())


def test_a_bad_variable_does_not_count_where_there_is_an_argument() -> None:
    """It is not even read."""
    assert read({"timeout": 5}, Variables({"BCD_TIMEOUT": "x"}, strict=True)).timeout == 5


def test_later_edits_have_no_effect() -> None:
    """What was given is copied."""
    attributes, limits, redact = {"a": "1"}, {"frames": 9}, ["iban"]
    settings = of_arguments(attributes=attributes, limits=limits, redact=redact)
    attributes["b"] = limits["string"] = redact[0] = "x"  # type: ignore[assignment]  # on purpose
    assert settings == of_arguments(attributes={"a": "1"}, limits={"frames": 9}, redact=["iban"])


@pytest.mark.parametrize(
    ("name", "wrong", "accepted"),
    [
        ("tracer", "perl", "python, backtrace"),
        ("tracer", "bin/tracer", "absolute path"),
        ("tracer", PythonTracer, "an object that has all methods"),
        ("tracer", 3, "an object that has all methods"),
        ("hooks", "threading", "a list of"),
        ("hooks", ["threads"], "excepthook, threading"),
        ("hooks", [["threading"]], "excepthook, threading"),
        ("release", "", "not empty"),
        ("release", 1.2, "a text"),
        ("environment", b"prod", "a text"),
        ("service", ["shop"], "a text"),
        ("attributes", ["team"], "a mapping"),
        ("attributes", {"a:b": "c"}, "without a colon"),
        ("attributes", {3: "c"}, "without a colon"),
        ("attributes", {"a": None}, "which None is not"),
        ("ignore", [3], "exception classes"),
        ("ignore", [KeyError("one")], "exception classes"),
        ("ignore", 3, "exception classes"),
        ("before_trace", "shop:scrub", "a function"),
        ("redact", "iban", "a list of names"),
        ("redact", [3], "each a text"),
        ("reveal", {"session": 1}, "a list of names"),
        ("limits", {"strings": 3}, "there are"),
        ("limits", {"string": 0}, "at least 1"),
        ("limits", {"string": True}, "whole number"),
        ("limits", 100, "a mapping"),
        ("folder", 3, "a path"),
        ("folder", "", "not empty"),
        ("timeout", "5", "seconds"),
        ("timeout", math.nan, "seconds"),
        ("timeout", True, "seconds"),
        ("python", 3, "a path"),
    ],
)
def test_wrong_argument(name: str, wrong: object, accepted: str) -> None:
    """The error names the setting, the value and what is accepted."""
    with pytest.raises(ConfigError, match=accepted) as refused:
        of_arguments(**{name: wrong})
    assert str(refused.value).startswith(f"{name} is {wrong!r}"[:20])


@pytest.mark.parametrize(
    ("name", "wrong", "accepted"),
    [
        ("TRACER", "perl", "python, backtrace"),
        ("HOOKS", "threads", "excepthook, threading"),
        ("HOOKS", "none,threading", "excepthook, threading"),
        ("ATTRIBUTES", "team", "name=value"),
        ("ATTRIBUTES", "a:b=c", "without a colon"),
        ("BEFORE_TRACE", "scrub", "module:function"),
        ("BEFORE_TRACE", "shop:", "module:function"),
        ("LIMITS", "string=many", "whole number"),
        ("LIMITS", "string=" + "9" * 5000, "whole number"),
        ("LIMITS", "strings=3", "there are"),
        ("TIMEOUT", "nan", "seconds"),
    ],
)
def test_wrong_variable(name: str, wrong: str, accepted: str) -> None:
    """The error names the variable, its text and what is accepted."""
    with pytest.raises(ConfigError, match=accepted) as refused:
        of_variables(**{f"BCD_{name}": wrong})
    assert str(refused.value).startswith(f"BCD_{name} is {wrong!r}; ")


@given(st.sampled_from([name for name, one in _SETTINGS.items() if one.meaning]), st.text())
def test_any_variable_is_read_or_refused(name: str, text: str) -> None:
    """No text makes the reading fail in another way."""
    try:
        of_variables(**{f"BCD_{name.upper()}": text})
    except ConfigError as refused:
        assert str(refused).startswith(f"BCD_{name.upper()} is ")  # noqa: PT017 - most texts are fine


ANYTHING: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=5,
)


@given(st.sampled_from(list(_SETTINGS)), ANYTHING)
def test_any_argument_is_read_or_refused(name: str, value: object) -> None:
    """No value makes the reading fail in another way."""
    try:
        of_arguments(**{name: value})
    except ConfigError as refused:
        assert str(refused).startswith(f"{name} is ")  # noqa: PT017 - some values are fine


def test_a_value_whose_repr_fails_is_refused_all_the_same() -> None:
    """The message does without."""

    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(ConfigError, match="release is <Odd instance"):
        of_arguments(release=Odd())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("realease", "there is no setting 'realease'; did you mean 'release'?"),
        ("hook", "there is no setting 'hook'; did you mean 'hooks'?"),
        ("dsn", "there is no setting 'dsn'; there are attributes, before_trace, config, "),
    ],
)
def test_unknown_argument(wrong: str, told: str) -> None:
    """The error names it and the nearest known."""
    with pytest.raises(ConfigError, match=f"^{re.escape(told)}"):
        of_arguments(**{wrong: None})


def test_variables_that_are_nearly_known_are_told() -> None:
    """Those that merely start with BCD_ belong to somebody else."""
    variables = ["BCD_RATELIMIT", "BCD_FOLDER", "BCD_HOME", "BCD_DIR", "RATE_LIMIT"]
    assert misspelled(dict.fromkeys(variables, "1")) == [
        "BCD_RATELIMIT is no variable of bcd, but BCD_RATE_LIMIT is",
        "BCD_FOLDER is no variable of bcd, but BCD_DIR is",
    ]


@pytest.mark.parametrize(
    ("tracer", "name"),
    [(TRACER, name) for name in ("redact", "reveal", "limits", "folder", "timeout", "python")]
    + [("pyspy", "limits"), ("gcore", "limits"), ("backtrace", "folder"), ("/opt/x", "python")],
)
def test_settings_that_the_tracer_would_not_get(tracer: object, name: str) -> None:
    """Given together with a tracer to which they mean nothing they are refused."""
    value = {"timeout": 3, "limits": {"frames": 3}}.get(name, ["/x"] if name[0] == "r" else "/x")
    with pytest.raises(ConfigError, match=f"^{name} was given together with "):
        of_arguments(tracer=tracer, **{name: value})


def test_attributes_have_their_standard_names() -> None:
    """OpenTelemetry's; explicit ones go over them."""
    settings = of_arguments(
        release="1.2", environment="staging", service="shop", attributes={"service.name": "till"}
    )
    assert settings.trace_attributes() == {
        "service.name": "till",
        "service.version": "1.2",
        "deployment.environment.name": "staging",
    }


class TestWithoutInit:
    """A program that never calls ``init``."""

    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bcd.settings.current._current", {})
        monkeypatch.setattr("bcd.tracers._default", {})

    def test_has_what_the_environment_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Read once, when it is first needed."""
        monkeypatch.setenv("BCD_RELEASE", "9")
        settings = current_settings()
        monkeypatch.setenv("BCD_RELEASE", "10")
        assert current_settings() is settings
        assert settings.release == "9"

    def test_is_not_disturbed_by_a_bad_variable(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each is one line on stderr; the others hold."""
        for name, text in {"LIMITS": "x", "TIMEOUT": "y", "RELEASE": "9", "RELEASES": "8"}.items():
            monkeypatch.setenv(f"BCD_{name}", text)
        current_settings()
        assert current_settings() == Settings(release="9")
        told = [line.split()[3] for line in capsys.readouterr().err.splitlines()]
        assert sorted(told) == ["BCD_LIMITS", "BCD_RELEASES", "BCD_TIMEOUT"]

    def test_does_without_a_function_that_is_not_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is named when it is first called, where a hook catches what it raises."""
        monkeypatch.setenv("BCD_BEFORE_TRACE", "no_such_module:scrub")
        before_trace = current_settings().before_trace
        assert before_trace is not None
        with pytest.raises(ConfigError, match="is 'no_such_module:scrub', which could"):
            before_trace(ValueError(), {})

    def test_its_attributes_are_in_each_trace(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Those of a trace by hand too, and no name comes twice."""
        monkeypatch.setenv("BCD_ATTRIBUTES", "team=x,shard=3")
        gate = Gate()
        monkeypatch.setattr("bcd.engine.attempt.GATE", gate)
        monkeypatch.setattr("bcd.engine.tracing.GATE", gate)
        program = RecordingProgram(tmp_path)
        bcd.trace(
            BTTracer(path=program.path), KeyError("a"), attributes={"shard": "own", "order": "5"}
        )
        (run,) = program.runs()
        assert run.argv[-8:] == [
            *("--classifier", "KeyError"),
            *("--kv", "team:x"),
            *("--kv", "shard:own"),
            *("--kv", "order:5"),
        ]

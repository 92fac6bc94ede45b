"""Exceptions in chains and groups; each is raised, traced and compared."""

import truth

import bcd


class Slotted(Exception):
    __slots__ = ("code", "detail")

    def __init__(self, code):
        super().__init__("slotted", code)
        self.code = code
        self.detail = {"code": code}


class OwnText(Exception):
    def __str__(self):
        return f"own text of {self.args[0]}"


class Groups(ExceptionGroup):
    def derive(self, errors):
        return Groups(self.message, errors)


def plain():
    raise ValueError("plain", 1)


def explicit():
    try:
        plain()
    except ValueError as error:
        raise LookupError("explicit") from error


def implicit():
    try:
        explicit()
    except LookupError:
        {}["implicit"]


def from_none():
    try:
        plain()
    except ValueError:
        raise LookupError("from None") from None


def notes():
    error = ValueError("with notes")
    error.add_note("first note")
    error.add_note("second\nnote é \udc80")
    raise error


def odd_notes():
    error = ValueError("with odd notes")
    error.__notes__ = ("in a tuple", 12)
    raise error


def slotted():
    try:
        raise Slotted(7)
    except Slotted as error:
        error.add_note("slotted, and noted")
        raise Slotted(8) from error


def own_text():
    raise OwnText("root")


def cycle_of_two():
    first, second = ValueError("first"), LookupError("second")
    first.__context__, second.__context__ = second, first
    raise first from second


def cycle_of_one():
    error = ValueError("its own cause")
    error.__cause__ = error
    raise error


def raised(function):
    try:
        function()
    except Exception as error:
        return error


def groups():
    shared = raised(explicit)
    inner = Groups("inner", [shared, raised(notes)])
    deeper = ExceptionGroup("deeper", [inner, KeyError("never raised")])
    raise ExceptionGroup("outer", [raised(plain), deeper, shared])


def base_group():
    raise BaseExceptionGroup("base", [KeyboardInterrupt("stop"), SystemExit(3)])


def group_with_cause():
    try:
        groups()
    except* ValueError as caught:
        raise LookupError("in except*") from caught


def finally_raises():
    try:
        plain()
    finally:
        raise TypeError("in finally")


def reraised():
    try:
        plain()
    except ValueError as error:
        raise error.with_traceback(None)


def raised_twice():
    error = LookupError("raised twice")
    try:
        raise error
    except LookupError:
        raise error


def never_raised():
    return RuntimeError("never raised")


def chain_of_forty(depth=40):
    try:
        if depth:
            chain_of_forty(depth - 1)
        raise ValueError(f"depth {depth}")
    except ValueError as error:
        raise LookupError(f"level {depth}") from error


SCENARIOS = [
    plain,
    explicit,
    implicit,
    from_none,
    notes,
    odd_notes,
    slotted,
    own_text,
    cycle_of_two,
    cycle_of_one,
    groups,
    base_group,
    group_with_cause,
    finally_raises,
    reraised,
    raised_twice,
    chain_of_forty,
    never_raised,
]

truth.often()
tracer = truth.Recorder(limits={"exceptions": 300, "frames": 2000, "deadline_ms": 20000})


def run(scenario):
    try:
        error = scenario()
    except BaseException as raised_error:
        error = raised_error
    result = bcd.trace(tracer, error)
    truth.say(tracer, result, [scenario.__name__, truth.exception_truth(error)])


for number in range(len(SCENARIOS)):
    run(SCENARIOS[number])

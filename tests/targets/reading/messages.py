"""One group of exceptions whose messages are made by code: they must be read as ``str`` says."""

import codecs
import errno
import json
import os
import socket
import typing

import truth

import bcd


VARIABLES = [typing.TypeVar("T"), typing.TypeVar("T_co", covariant=True)]
VARIABLES += [typing.TypeVar("T_contra", contravariant=True), typing.ParamSpec("P"), typing.TypeVarTuple("Ts")]
if hasattr(typing, "TypeAliasType"):  # from 3.12 on
    exec("def inferred[T, *Ts, **P](): ...\nVARIABLES += inferred.__type_params__")


class Key(KeyError):
    pass


class Missing(FileNotFoundError):
    pass


class Own(Exception):
    def __str__(self):
        return "made by code"


def changed_os_error():
    error = OSError(2, "before")
    error.errno, error.strerror, error.filename = 13, "after", "/changed"
    return error


def changed_unicode_error():
    error = UnicodeDecodeError("utf-8", b"\xff\xfe\xfd", 0, 1, "before")
    error.start, error.end, error.reason = 1, 3, "after"
    return error


def errors():
    yield ValueError()
    yield ValueError("text")
    yield ValueError("é € \U0001f600 \udc80 'single' \"double\" back\\slash\ttab\nline")
    yield ValueError("two", 2)
    yield ValueError(None)
    yield ValueError(12)
    yield ValueError(-(2**70))
    yield ValueError(b"bytes")
    yield ValueError(("tuple",))
    yield from map(TypeError, VARIABLES)
    yield KeyError(VARIABLES[0])
    yield TypeError(*VARIABLES)
    yield ValueError(["list", {"k": 1}])
    yield ValueError("")
    yield KeyError()
    yield KeyError("k")
    yield KeyError("it's")
    yield KeyError(3)
    yield KeyError(("a", 1))
    yield KeyError("a", "b")
    yield Key("derived")
    yield OSError()
    yield OSError("only text")
    yield OSError(2, "No such thing")
    yield OSError(2, "No such thing", "/no/path")
    yield OSError(2, "No such thing", b"/no/bytes")
    yield OSError(2, "No such thing", 5)
    yield OSError(18, "Cross-device link", "/from", None, "/to")
    yield OSError(errno.EAGAIN, "again", "x")
    yield BlockingIOError(11, "would block", 5)
    yield OSError(None, None)
    yield OSError("not a number", "text")
    yield OSError(1, "a", "b", "c")
    yield Missing(2, "derived", "/gone")
    yield changed_os_error()
    yield TimeoutError("timed out")
    yield UnicodeDecodeError("utf-8", b"ab\xffc", 2, 3, "invalid start byte")
    yield UnicodeDecodeError("utf-8", b"ab\xff\xfe", 2, 4, "invalid bytes")
    yield UnicodeDecodeError("utf-8", b"", 0, 1, "out of range")
    yield changed_unicode_error()
    yield UnicodeEncodeError("ascii", "aé", 1, 2, "ordinal not in range(128)")
    yield UnicodeEncodeError("ascii", "a€", 1, 2, "ordinal not in range(128)")
    yield UnicodeEncodeError("ascii", "a\U0001f600", 1, 2, "ordinal not in range(128)")
    yield UnicodeEncodeError("ascii", "éé", 0, 2, "ordinal not in range(128)")
    yield UnicodeTranslateError("aé", 1, 2, "no such character")
    yield UnicodeTranslateError("aéé", 1, 3, "no such characters")
    yield StopIteration(3)
    yield StopAsyncIteration()
    yield SyntaxError("bad")
    yield SyntaxError("bad", ("/some/where/code.py", 7, 3, "x = (", 7, 4))
    yield SyntaxError("bad", (None, 7, 3, "x = ("))
    yield SyntaxError("bad", ("code.py", None, None, None))
    yield ImportError("no name", name="n", path="p")
    yield ImportError("two", "parts")
    yield AttributeError("no attribute", name="n", obj=3)
    yield NameError("no name", name="n")
    yield AssertionError("asserted")
    yield AssertionError
    yield RecursionError("too deep")
    yield MemoryError()
    yield ExceptionGroup("one", [ValueError(1)])
    yield ExceptionGroup("two", [ValueError(1), KeyError(2)])
    yield json.JSONDecodeError("Expecting value", "{x", 1)


def actions():
    yield lambda: [][3]
    yield lambda: {}["key"]
    yield lambda: 1 / 0
    yield lambda: None.missing
    yield lambda: open("/no/such/file")
    yield lambda: os.rename("/no/from", "/no/to")
    yield lambda: b"\xff".decode()
    yield lambda: "é€".encode("ascii")
    yield lambda: codecs.charmap_encode("é", "strict", {})
    yield lambda: int("x")
    yield lambda: int(1, 2, 3)
    yield lambda: undefined_name
    yield lambda: compile("x = (", "some/file.py", "exec")
    yield lambda: __import__("no_such_module_at_all")
    yield lambda: json.loads("{")
    yield lambda: next(iter(()))
    yield lambda: socket.create_connection(("127.0.0.1", 1), timeout=5)
    yield lambda: socket.getaddrinfo("127.0.0.1", "no-such-service")
    yield lambda: sorted([1, "a"])


found = [error() if isinstance(error, type) else error for error in errors()]
for action in actions():
    try:
        action()
    except Exception as error:
        found.append(error)
found.append(Own("argument"))

truth.often()
tracer = truth.Recorder(limits={"exceptions": 500, "deadline_ms": 20000})
group = ExceptionGroup("all", found)
result = bcd.trace(tracer, group)
names = [f"{type(error).__name__}{error.args!r}" for error in found]
truth.say(tracer, result, [[name, str(error)] for name, error in zip(names, found)])

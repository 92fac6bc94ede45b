"""Puts secrets wherever programs have them, one trace for each line of JSON on standard input.

A line is ``{"plants": [{"place", "name", "secret", "depth"}], "attributes": {…}}``; secrets come in
hexadecimal digits, so that they stand nowhere but in their places.
"""

import asyncio
import collections
import dataclasses
import functools
import json
import linecache
import sys
import threading
import types
import urllib.parse

import bcd
from bcd.tracers.python import PythonTracer

SPEC = {}


class Holder:
    pass


class SecretError(Exception):
    pass


def text(digits):
    return bytes.fromhex(digits).decode()


def attribute(name, secret):
    made = Holder()
    setattr(made, name, secret)
    return made


def slot(name, secret):
    made = type("Slotted", (), {"__slots__": (name,)})()
    setattr(made, name, secret)
    return made


def private_key(_name, secret):
    return f"-----BEGIN RSA PRIVATE KEY-----\n{secret}\n{secret}\n-----END RSA PRIVATE KEY-----\n"


PLACES = {
    "variable": lambda name, secret: secret,
    "number": lambda name, secret: int(secret),
    "bytes": lambda name, secret: secret.encode(),
    "several": lambda name, secret: [secret, b"other"],
    "list under a name": lambda name, secret: {name: [secret, {"x": secret}]},
    "attribute": attribute,
    "slot": slot,
    "dataclass": lambda name, secret: dataclasses.make_dataclass("Made", [name])(secret),
    "named tuple": lambda name, secret: collections.namedtuple("Made", [name])(secret),
    "namespace": lambda name, secret: types.SimpleNamespace(**{name: secret}),
    "key": lambda name, secret: {name: secret},
    "bytes key": lambda name, secret: {name.encode(): secret.encode()},
    "ordered": lambda name, secret: collections.OrderedDict({name: secret}),
    "default": lambda name, secret: collections.defaultdict(str, {name: secret}),
    "chain": lambda name, secret: collections.ChainMap({name: secret}),
    "proxy": lambda name, secret: types.MappingProxyType({name: secret}),
    "user dict": lambda name, secret: collections.UserDict({name: secret}),
    "items": lambda name, secret: {name: secret}.items(),
    "values": lambda name, secret: {name: secret}.values(),
    "pair": lambda name, secret: [(name, secret), ("accept", "*/*")],
    "bytes pair": lambda name, secret: [(name.encode(), secret.encode())],
    "partial": lambda name, secret: functools.partial(print, **{name: secret}),
    "url": lambda name, secret: f"postgresql://ada:{secret}@db:5432/shop",
    "split url": lambda name, secret: urllib.parse.urlsplit(f"amqp://ada:{secret}@mq/shop"),
    "query": lambda name, secret: f"https://h.example/p?page=2&{name}={secret}&x=1",
    "fragment": lambda name, secret: f"https://h.example/p#{name}={secret}",
    "assignment": lambda name, secret: f"connect(host='db', {name}='{secret}')",
    "json": lambda name, secret: json.dumps({"a": 1, name: secret, "b": [2]}),
    "json of json": lambda name, secret: json.dumps({"body": json.dumps({name: secret})}),
    "lines": lambda name, secret: f"host: db\n{name}: {secret}\nport: 1\n",
    "bearer": lambda name, secret: f"Bearer {secret}",
    "header line": lambda name, secret: f"GET / HTTP/1.1\r\nAuthorization: Bearer {secret}\r\n",
    "basic": lambda name, secret: f"Basic {secret}",
    "bytes basic": lambda name, secret: f"Authorization: Basic {secret}".encode(),
    "jwt": lambda name, secret: f"eyJ{secret}.{secret}.{secret}",
    "private key": private_key,
    "cookie": lambda name, secret: f"Cookie: theme=dark; sid={secret}",
    "arguments": lambda name, secret: ["mysql", f"--{name}", secret, "shop"],
    "argument": lambda name, secret: ["mysql", f"--{name}={secret}", "shop"],
    "command": lambda name, secret: f"mysql --{name} {secret} shop",
    "error": lambda name, secret: SecretError(f"{name}={secret}"),
    "error attribute": lambda name, secret: error_with(name, secret),
    "told": lambda name, secret: f"cannot log in with {secret}!",
    "long before": lambda name, secret: "x" * 190 + f" {name}={secret}",
    "long url": lambda name, secret: f"https://h.example/{'y' * 170}?{name}={secret}",
    "long told": lambda name, secret: "z" * 180 + secret + "z" * 180,
}


def error_with(name, secret):
    error = SecretError("refused")
    setattr(error, name, secret)
    return error


def nest(value, depth):
    wrappers = (lambda it: [it], lambda it: {"inner": it}, lambda it: attribute("inner", it))
    for number in range(depth):
        value = wrappers[number % 3](value)
    return value


def take(index):
    plant = SPEC["plants"][index]
    made = PLACES[plant["place"]](plant["name"], text(plant["secret"]))
    return nest(made, plant["depth"])


def under(index):
    """The name of the variable that holds a planted value."""
    plant = SPEC["plants"][index]
    if plant["place"] in ("variable", "number", "bytes", "several"):
        return plant["name"]
    return f"plain{index}"


def source_of(count):
    lines = ["def failing(take, message, **options):"]
    lines += [f"    {under(index)} = take({index})" for index in range(count)]
    lines += ["    error = SecretError(message())", "    error.add_note(message())", "    raise error"]
    return "".join(f"{line}\n" for line in lines)


def message():
    told = [text(plant["secret"]) for plant in SPEC["plants"] if plant["place"] in ("variable", "several")]
    return "; ".join(f"no access with {secret}" for secret in told) or "no access"


def options():
    return {
        plant["name"]: text(plant["secret"])
        for plant in SPEC["plants"]
        if plant["place"] == "key"
    }


def elsewhere(started, ended):
    """A thread that has the same values as variables."""
    held = [take(index) for index in range(len(SPEC["plants"]))][:8]
    started.set()
    ended.wait()
    return held


async def asleep(started, ended):
    """A task that has them."""
    held = [take(index) for index in range(len(SPEC["plants"]))][-8:]
    started.set()
    await ended.wait()
    return held


async def run(tracer, number):
    started, ended = threading.Event(), threading.Event()
    thread = threading.Thread(target=elsewhere, args=(started, ended))
    thread.start()
    started.wait()
    begun, over = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(asleep(begun, over))
    await begun.wait()
    path = f"/srv/shop/program{number}.py"
    source = source_of(len(SPEC["plants"]))
    linecache.cache[path] = (len(source), None, source.splitlines(True), path)
    space = {"SecretError": SecretError, "__name__": "shop"}
    exec(compile(source, path, "exec"), space)
    try:
        space["failing"](take, message, **options())
    except SecretError as error:
        result = bcd.trace(
            tracer,
            error,
            bcd.TraceOptions(faulted=True, classifications=["secrets"]),
            attributes=lambda: {name: text(digits) for name, digits in SPEC["attributes"].items()},
        )
    ended.set()
    thread.join()
    over.set()
    await task
    return result


def main():
    bcd.update_config(bcd.GlobalConfig(rate_limit=0.0))
    tracer = PythonTracer(folder=sys.argv[1], limits={"file_bytes": 1 << 24, "deadline_ms": 20000})
    for number, line in enumerate(sys.stdin):
        SPEC.clear()
        SPEC.update(json.loads(line))
        del line
        result = asyncio.run(run(tracer, number))
        result.raise_for_error()
        print(result.stdout.decode().strip(), flush=True)


main()

"""Traces itself with an adapter, as told by one JSON object in its first argument.

Keys: tracer (name in bcd), settings (of its constructor), arguments (of trace), options (of
TraceOptions), refuse (system calls), workers (threads), how ("trace", "detach", "hook").
Prints one JSON object: what came of it, its threads, and its state afterwards.
"""

import json
import os
import sys
import threading
import time

import bcd

told = json.loads(sys.argv[1])
waiting = threading.Event()


def work(password, name):
    greeting = f"hello {name}"
    waiting.wait()


def checkout(order):
    api_key = "ABCDEF-key-123456"
    copied = api_key + " is what the gateway got"
    try:
        {}["CHF"]
    except KeyError as error:
        return HOW[told.get("how", "trace")](error)


def trace(error):
    options = bcd.TraceOptions(**told["options"]) if "options" in told else None
    return bcd.trace(tracer, error, options, attributes={"order": "1005", "token": "tok-654321"})


def detach(error):
    result = bcd.trace(tracer, error, detach=True)
    assert bcd.flush(30)
    return result


def hook(error):
    from bcd.integrations.wsgi import BcdMiddleware

    def failing(environ, start_response):
        raise error

    application = BcdMiddleware(failing, tracer=tracer)
    try:
        application({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda *_: None)
    except KeyError:
        pass
    assert bcd.flush(30)
    return None


HOW = {"trace": trace, "detach": detach, "hook": hook}


def main():
    global tracer
    for number in range(told.get("workers", 1)):
        arguments = ("hunter2-hunter2", f"bob-{number}")
        threading.Thread(target=work, args=arguments, name=f"work-{number}", daemon=True).start()
    if "refuse" in told:
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(__file__)), "freeze"))
        import seccomp

        seccomp.install(told["refuse"])
    tracer = getattr(bcd, told["tracer"])(**told["settings"])
    for added in told.get("added", ()):
        tracer.add_options(added)
    began = time.monotonic()
    result = checkout(1005)
    print(
        json.dumps(
            {
                "pid": os.getpid(),
                "threads": {each.name: each.native_id for each in threading.enumerate()},
                "error": result and result.error and str(result.error),
                "kind": result and result.error and type(result.error).__name__,
                "stdout": result and result.stdout.decode(),
                "seconds": time.monotonic() - began,
            }
        ),
        flush=True,
    )


main()

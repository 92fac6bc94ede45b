"""Threads that wait in known places while another one traces."""

import threading
import time

import truth

import bcd

gate = threading.Event()
lock = threading.Lock()
lock.acquire()
arrived = threading.Barrier(6)


def waits_for_event(number):
    text = f"thread {number}"
    arrived.wait()
    gate.wait()
    return text


def waits_for_lock(depth):
    if depth:
        return waits_for_lock(depth - 1)
    arrived.wait()
    with lock:
        return depth


def in_generator():
    def produce():
        for item in [1]:
            arrived.wait()
            gate.wait()
            yield item

    return list(produce())


class Worker(threading.Thread):
    def run(self):
        arrived.wait()
        gate.wait()


def standing():
    """Every thread but the caller stands where only the gate can move it."""
    while True:
        frames = truth.sys._current_frames()
        others = [f for ident, f in frames.items() if ident != threading.get_ident()]
        if all(_blocked(frame) for frame in others):
            return
        time.sleep(0.001)


def _blocked(frame):
    names = []
    while frame is not None:
        names.append((frame.f_code.co_name, frame.f_code.co_filename))
        frame = frame.f_back
    moves = ("_wait", "_enter", "start")  # a barrier, or until the thread that traces has begun
    moving = any(f.endswith("threading.py") and n in moves for n, f in names)
    at_gate = any(n in ("wait", "join") for n, _ in names[:2]) or names[0][0] == "waits_for_lock"
    return at_gate and not moving


def fails(value):
    standing()
    tracer = truth.Recorder(truth.threads_truth)
    truth.say(tracer, bcd.trace(tracer))


truth.often()
threads = [
    threading.Thread(target=waits_for_event, args=(1,), name="first"),
    threading.Thread(target=waits_for_event, args=(2,), name="ümläut 日本", daemon=True),
    threading.Thread(target=waits_for_lock, args=(5,), name="locked"),
    threading.Thread(target=in_generator),
    Worker(name="derived"),
]
for thread in threads:
    thread.start()
arrived.wait()
traced = threading.Thread(target=fails, args=("value",), name="tracing")
traced.start()
traced.join()
fails("from the main thread")
gate.set()
lock.release()
for thread in threads:
    thread.join()

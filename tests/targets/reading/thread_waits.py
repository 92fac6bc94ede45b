"""Threads that wait in all the ways there are, each saying for what and who holds it."""

import concurrent.futures
import os
import queue
import select
import selectors
import socket
import subprocess
import sys
import threading
import time

import truth

import bcd
from standstill import at, at_lock, named, standing

lock, taken, let_go = threading.Lock(), threading.Lock(), threading.Lock()
rlock, often_taken = threading.RLock(), threading.RLock()
condition, event, semaphore = threading.Condition(), threading.Event(), threading.Semaphore(0)
barrier, end = threading.Barrier(3), threading.Event()
items, full, unfinished = queue.Queue(), queue.Queue(maxsize=1), queue.Queue()
simple = queue.SimpleQueue()
full.put("item")
unfinished.put("item")
taken.acquire()
near, far = socket.socketpair()
listening = socket.create_server(("127.0.0.1", 0))
readable, writable = os.pipe()
poller = select.epoll()
poller.register(readable, select.EPOLLIN)
selector = selectors.DefaultSelector()
selector.register(near, selectors.EVENT_READ)
child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
pool = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="pool")
held = threading.Barrier(4)
at_work = threading.Event()
at_work_in = []
one_idles = threading.Event()


def works():
    at_work_in.append(threading.current_thread())
    at_work.set()
    end.wait()


idle = pool.submit(one_idles.wait)
future = pool.submit(works)
one_idles.set()
at_work.wait()


def holds_lock():
    with lock:
        held.wait()
        end.wait()


def holds_rlock():
    with rlock, often_taken:
        often_taken.acquire()
        held.wait()
        end.wait()
        often_taken.release()


def lets_go():
    """Stands in the block of a lock that it does not hold at this time."""
    with let_go:
        let_go.release()
        held.wait()
        end.wait()
        let_go.acquire()


holders = [threading.Thread(target=f, name=f.__name__) for f in (holds_lock, holds_rlock, lets_go)]
for thread in holders:
    thread.start()
held.wait()
let_go.acquire()


def enters_lock():
    with lock:
        pass


def acquires_lock():
    lock.acquire()
    lock.release()


def acquires_in_an_expression():
    return [1, 2, (3, {"key": lock.acquire(True)}), lock.release()]


def acquires_by_name():
    acquire = lock.acquire
    acquire()
    lock.release()


def acquires_for_a_time():
    lock.acquire(timeout=1000)
    lock.release()


def acquires_in_a_loop():
    for number in range(3):
        try:
            raise KeyError(number)
        except KeyError:
            with open(os.devnull) as file, threading.Lock():
                lock.acquire()
                lock.release()
                file.fileno()


def enters_taken():
    with taken:
        pass


def enters_let_go():
    with let_go:
        pass


def enters_rlock():
    with rlock:
        pass


def acquires_often_taken():
    often_taken.acquire()
    often_taken.release()


def enters_condition():
    with threading.Condition(rlock):
        pass


def is_notified():
    with condition:
        condition.wait()


def is_notified_in_time():
    with condition:
        condition.wait_for(end.is_set, 1000)


def awaits_event():
    event.wait()


def awaits_event_for_a_time():
    event.wait(timeout=1000)


def passes_semaphore():
    semaphore.acquire()


def enters_semaphore():
    with semaphore:
        pass


def meets():
    barrier.wait()


def gets():
    items.get()


def puts():
    full.put("another")


def joins_queue():
    unfinished.join()


def gets_simply():
    simple.get()


def joins_thread():
    holders[0].join()


def awaits_result():
    future.result()


def awaits_futures():
    concurrent.futures.wait([future], return_when="FIRST_EXCEPTION")


def awaits_each():
    for each in concurrent.futures.as_completed([future]):
        each.result()


def sleeps():
    time.sleep(1000)


def receives():
    far.recv(1)


def accepts():
    listening.accept()


def reads():
    os.read(readable, 1)


def polls():
    poller.poll()


def selects():
    selector.select()


def awaits_process():
    child.wait()


def computes():
    """Waits for nothing, but for the GIL at times."""
    while not end.is_set():
        sum(range(100))


LOCKED = f"{at_lock(lock)} held by {named(holders[0])}"
RLOCKED = f"{at(rlock)} held by {named(holders[1])}"
(worker,) = at_work_in
SCENARIOS = {
    enters_lock: (LOCKED, holders[0]),
    acquires_lock: (LOCKED, holders[0]),
    acquires_in_an_expression: (LOCKED, holders[0]),
    acquires_by_name: (LOCKED, holders[0]),
    acquires_for_a_time: (LOCKED, holders[0]),
    acquires_in_a_loop: (LOCKED, holders[0]),
    enters_taken: (at_lock(taken), None),
    enters_let_go: (at_lock(let_go), None),
    enters_rlock: (RLOCKED, holders[1]),
    enters_condition: (RLOCKED, holders[1]),
    acquires_often_taken: (f"{at(often_taken)} held by {named(holders[1])}, 2 times over", holders[1]),
    is_notified: (f"{at(condition)} to be notified", None),
    is_notified_in_time: (f"{at(condition)} to be notified", None),
    awaits_event: (f"{at(event)} to be set", None),
    awaits_event_for_a_time: (f"{at(event)} to be set", None),
    passes_semaphore: (at(semaphore), None),
    enters_semaphore: (at(semaphore), None),
    meets: (f"{at(barrier)}, where 1 of 3 are", None),
    gets: (f"an item of {at(items)}", None),
    puts: (f"room in {at(full)} of at most 1 items", None),
    joins_queue: (f"{at(unfinished)} to have its items done, 1 are not", None),
    gets_simply: (f"an item of {at(simple)}", None),
    joins_thread: (f"{named(holders[0])} to end", holders[0]),
    awaits_result: (f"the result of {at(future)}, which {named(worker)} works on", worker),
    awaits_futures: ("1 futures (FIRST_EXCEPTION)", None),
    awaits_each: ("the next of 1 futures", None),
    sleeps: ("a sleep of 1,000 s", None),
    receives: (f"data of the socket of descriptor {far.fileno()}", None),
    accepts: (f"a connection to the socket of descriptor {listening.fileno()}", None),
    reads: (f"data of file descriptor {readable}", None),
    polls: (f"events of {at(poller)}", None),
    selects: (f"events of {at(selector)} of 1 files", None),
    awaits_process: (f"process {child.pid} to end", None),
    computes: (None, None),
}


threads = []
for scenario, (words, holder) in SCENARIOS.items():
    threads.append(threading.Thread(target=scenario, name=scenario.__name__, daemon=True))
    threads[-1].start()
standing([thread for thread in threads if thread.name != "computes"])
tracer = truth.Recorder()
told = {
    scenario.__name__: [words, holder and holder.native_id]
    for scenario, (words, holder) in SCENARIOS.items()
}
told["pool"] = "work for its thread pool"
truth.say(tracer, bcd.trace(tracer), told)
child.kill()
os._exit(0)

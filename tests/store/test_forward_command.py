"""`bcd forward` for real: programs, a database, and what may happen to both."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.polling import poll
from tests.proxy import Proxy
from tests.store.conftest import emptied
from tests.store.folders import document, made_id, put, put_dump
from tests.terminal import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.store.commands import Ran

NOW = 1_790_000_000


@pytest.fixture(name="database")
def _database(shared_database: str) -> str:
    return emptied(shared_database)


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    monkeypatch.setenv("BCD_DIR", str(folder))
    return folder


@pytest.fixture(name="proxy")
def _proxy(database: str) -> Iterator[Proxy]:
    parts = urlsplit(database)
    proxy = Proxy(parts.hostname or "", parts.port or 5432)
    yield proxy
    proxy.vanish()


def through(proxy: Proxy, database: str) -> str:
    """The database's URL by way of the proxy."""
    parts = urlsplit(database)
    return f"postgresql://{parts.username}@127.0.0.1:{proxy.port}{parts.path}"


def fill(folder: Path, count: int, start: int = 0) -> list[str]:
    """Put snapshots into the folder."""
    ids = [
        made_id(NOW + number, kind=number % 7, number=number)
        for number in range(start, start + count)
    ]
    for each in ids:
        put(folder, each, threads=[], tasks=[])
    return ids


def kept_in(database: str) -> list[str]:
    """The ids in the database, each as often as it is there."""
    with closing(psycopg.connect(database)) as connection:
        found = connection.execute("SELECT id FROM bcd_snapshot ORDER BY id").fetchall()
        documents = connection.execute("SELECT count(*) FROM bcd_document").fetchone()
    assert documents == (len(found),)
    return [row[0] for row in found]


def files_in(folder: Path) -> list[str]:
    """The ids of the snapshot files in the folder."""
    return sorted(path.name[:26] for path in folder.glob("*.bcd.json*"))


@contextmanager
def forwarding(*arguments: object, **more: Any) -> Iterator[subprocess.Popen[str]]:
    """A forwarder that runs; it is ended at the end."""
    running = subprocess.Popen(
        [*PROGRAM, "forward", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def line_of(running: subprocess.Popen[str]) -> str:
    """The next line that a program prints on standard error."""
    assert running.stderr is not None
    return running.stderr.readline()


def ended(running: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str, str]:
    """End a program by a signal: its status and what it printed since."""
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    return running.returncode, out, err


# --- one run ---


def test_into_an_empty_database(bcd: Ran, folder: Path, postgresql: Any) -> None:
    """The tables are made, all snapshots are there, byte by byte; dumps stay behind."""
    database = postgresql.new(empty=True)
    ids = fill(folder, 3)
    put_dump(folder, made_id(NOW))
    done = bcd("forward", "--to", database)
    assert done == (0, "", f"bcd: sent 3 snapshots from {folder} to {database}\n")
    assert kept_in(database) == ids == files_in(folder)
    with closing(psycopg.connect(database)) as connection:
        contents = connection.execute("SELECT content FROM bcd_document ORDER BY 1").fetchall()
    assert sorted(row[0] for row in contents) == sorted(
        path.read_bytes() for path in folder.glob("*.bcd.json*")
    )
    again = bcd("forward", "--to", database)
    assert again.err == f"bcd: nothing new to send from {folder} to {database}\n"


def test_what_it_says_to_scripts(bcd: Ran, folder: Path, database: str) -> None:
    """As JSON: what was sent, what was there, what cannot be sent, what waits."""
    [old] = fill(folder, 1)
    bcd("forward", "--to", database)
    fill(folder, 2, start=1)
    evil = folder / f"{made_id(NOW + 9)}.bcd.json"
    evil.write_bytes(b"{")
    said = json.loads(bcd("forward", "--to", database, "--again", "--json", "--remove").out)
    reason = said["damaged"].pop()
    assert reason.startswith(f"{evil}: no JSON")
    assert said == {
        "folder": str(folder),
        "to": database,
        "sent": 2,
        "already": 1,
        "removed": 3,
        "damaged": [],
        "waiting": 0,
        "failure": None,
    }
    assert old in kept_in(database)
    assert files_in(folder) == [evil.name[:26]]


def test_the_store_of_the_environment(
    bcd: Ran, folder: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BCD_STORE names the database, so that no password has to be an argument."""
    monkeypatch.setenv("BCD_STORE", database)
    fill(folder, 1)
    assert bcd("forward").status == 0
    assert len(kept_in(database)) == 1


def test_no_folder_yet(bcd: Ran, tmp_path: Path, database: str) -> None:
    """A machine on which nothing went wrong yet has nothing to send, which is no error."""
    done = bcd("forward", "--to", database, "--folder", tmp_path / "none")
    assert done == (0, "", f"bcd: nothing new to send from {tmp_path}/none to {database}\n")


def test_damaged_files(bcd: Ran, folder: Path, database: str) -> None:
    """They are named, the first few of many, and left; all others are sent."""
    ids = fill(folder, 2)
    for number in range(8):
        (folder / f"{made_id(NOW + 100 + number)}.bcd.json").write_bytes(b"{")
    other = folder / f"{made_id(NOW + 200)}.bcd.json"
    other.write_bytes(document(ids[0]))
    newer = folder / f"{made_id(NOW + 201)}.bcd.json"
    newer.write_bytes(document(made_id(NOW + 201), format=99))
    done = bcd("forward", "--to", database)
    assert done.status == 0
    assert done.err.count("bcd: warning: ") == 5
    assert "bcd: and 5 more that cannot be sent\n" in done.err
    assert done.err.endswith(f"to {database}, 10 cannot be sent\n")
    assert kept_in(database) == ids
    assert len(files_in(folder)) == 12


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:hunter2@127.0.0.1:1/x", "Connection refused; see whether it runs"),
        ("postgresql://u:hunter2@127.0.0.1:1/x?password=hunter2", "Connection refused"),
        ("postgresql://u:hunter2@127.0.0.1:port/x", "the URL of the store cannot be read"),
        ("mysql://u:hunter2@127.0.0.1/x", "a store of the kind 'mysql' is not known"),
        ("u:hunter2@127.0.0.1/x", "what is given as a store is no URL"),
    ],
)
def test_a_password_is_never_shown(folder: Path, url: str, words: str) -> None:
    """Whatever is wrong with a store, one line says so without its password; nothing is lost."""
    fill(folder, 1)
    ran = subprocess.run(
        [*PROGRAM, "forward", "--to", url, "--json"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 1
    assert words in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert "hunter2" not in ran.stdout + ran.stderr
    assert len(files_in(folder)) == 1


def test_a_database_that_is_not_there(bcd: Ran, folder: Path, database: str) -> None:
    """The line says what to do, and what waits."""
    fill(folder, 2)
    done = bcd("forward", "--to", f"{database}_none")
    assert done.status == 1
    assert "does not exist; create it with createdb" in done.err
    assert done.err.endswith(f"; 2 snapshots wait in {folder}, none is lost\n")


# --- running on ---


def test_what_comes_is_sent(folder: Path, database: str) -> None:
    """`--watch` sends what is there and what comes, and says at the end what it did."""
    fill(folder, 2)
    with forwarding("--watch", "--to", database) as running:
        assert line_of(running) == (
            f"bcd: sending the snapshots of {folder} to {database} as they come\n"
        )
        assert line_of(running).startswith("bcd: sent 2 snapshots (")
        ids = fill(folder, 3)
        assert line_of(running).startswith("bcd: sent 1 snapshot (")
        assert kept_in(database) == ids
        status, _, err = ended(running)
    assert (status, err) == (0, f"bcd: sent 3 snapshots from {folder} to {database}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ending_while_nothing_happens(folder: Path, database: str, number: int) -> None:
    """It ends at once when told to, with the status of success."""
    with forwarding("--watch", "--to", database, "--json") as running:
        line_of(running)
        status, out, _ = ended(running, number)
    assert (status, json.loads(out)["folder"]) == (0, str(folder))


def test_a_database_that_vanishes(folder: Path, database: str, proxy: Proxy) -> None:
    """While it is away the files are kept and two lines tell of it; then all get there once."""
    fill(folder, 5)
    with forwarding("--watch", "--to", through(proxy, database)) as running:
        line_of(running)
        assert line_of(running).startswith("bcd: sent 5 snapshots")
        proxy.vanish()
        ids = fill(folder, 10)
        down = line_of(running)
        assert "snapshots are kept until it takes them\n" in down
        proxy.start()
        assert "takes snapshots again, after" in line_of(running)
        poll(lambda: kept_in(database) == ids, "all snapshots")
        status, _, err = ended(running)
    assert status == 0
    assert f"sent 10 snapshots from {folder}" in err
    assert "were there already" not in err
    assert kept_in(database) == ids


def test_a_database_that_is_down_at_the_start(folder: Path, database: str, proxy: Proxy) -> None:
    """The forwarder may be started before the database."""
    proxy.vanish()
    ids = fill(folder, 3)
    with forwarding("--watch", "--to", through(proxy, database), "--remove") as running:
        line_of(running)
        assert "Connection refused; see whether it runs" in line_of(running)
        proxy.start()
        assert "takes snapshots again" in line_of(running)
        poll(lambda: files_in(folder) == [], "the files to be removed")
        assert ended(running)[0] == 0
    assert kept_in(database) == ids


def test_a_database_that_falls_silent(folder: Path, database: str, proxy: Proxy) -> None:
    """Told to end twice, it does not wait for an answer; nothing is lost."""
    fill(folder, 1)
    with forwarding("--watch", "--to", through(proxy, database)) as running:
        line_of(running)
        assert line_of(running).startswith("bcd: sent 1 snapshot")
        proxy.fall_silent()
        ids = fill(folder, 2)
        assert proxy.swallowed.wait(60)
        running.send_signal(signal.SIGTERM)
        _, _, err = ended(running, signal.SIGINT)
    assert running.returncode == 0, err
    assert "Traceback" not in err
    assert "1 are still to be sent" in err
    assert files_in(folder) == ids


# --- killed at any moment, and several at once ---

BATCH = "bcd.store.sql.store insert_all"
NOTE = "bcd.store.sent Sent.add"
REMOVAL = "bcd.store.kept Folder.remove"
DYING = """
import importlib, os, signal, sys
module, name, when = sys.argv[1].split()
*path, name = name.split(".")
owner = importlib.import_module(module)
for each in path:
    owner = getattr(owner, each)
real = getattr(owner, name)
def dying(*arguments):
    if when == "after":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, dying)
from bcd.cli.program import run
run(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("moment", "how"),
    [
        (f"{BATCH} before", "--keep"),
        (f"{BATCH} after", "--keep"),  # within the transaction
        (f"{NOTE} before", "--keep"),  # after it
        (f"{NOTE} after", "--keep"),
        (f"{BATCH} after", "--remove"),
        (f"{REMOVAL} before", "--remove"),
        (f"{REMOVAL} after", "--remove"),  # of the first file
    ],
)
def test_killed_at_any_moment(folder: Path, database: str, moment: str, how: str) -> None:
    """Whenever it is killed, the next run completes the work: all are there once, none is lost."""
    ids = fill(folder, 20)
    command = ["forward", "--to", database, how]
    killed = subprocess.run(
        [sys.executable, "-c", DYING, moment, *command], check=False, env=os.environ
    )
    assert killed.returncode == -signal.SIGKILL
    assert set(kept_in(database)) | set(files_in(folder)) == set(ids)
    ran = subprocess.run([*PROGRAM, *command], capture_output=True, text=True, check=True)
    assert "Traceback" not in ran.stderr
    assert kept_in(database) == ids
    assert files_in(folder) == ([] if how == "--remove" else ids)
    rest = subprocess.run([*PROGRAM, *command], capture_output=True, text=True, check=True)
    assert "nothing new to send" in rest.stderr


@pytest.mark.parametrize("how", ["--keep", "--remove"])
def test_several_at_once(folder: Path, database: str, how: str) -> None:
    """Forwarders that do the same work at the same time: each snapshot is new for one of them."""
    ids = fill(folder, 400)
    commands = [[*PROGRAM, "forward", "--to", database, how, "--json"]] * 3
    running = [
        subprocess.Popen(each, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for each in commands
    ]
    printed = [each.communicate(timeout=100) for each in running]
    assert [each.returncode for each in running] == [0, 0, 0], printed
    said = [json.loads(out) for out, _ in printed]
    assert sum(each["sent"] for each in said) == 400
    assert all(each["waiting"] == 0 and not each["damaged"] for each in said)
    assert kept_in(database) == ids
    assert files_in(folder) == ([] if how == "--remove" else ids)


# --- surroundings ---


def limited(size: int) -> Any:
    """Lets no file grow beyond this, as a full disk would not."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk(folder: Path, database: str) -> None:
    """Sending needs no room: only the note of what was sent is missing, the database knows."""
    ids = fill(folder, 2)
    command = [*PROGRAM, "forward", "--to", database, "--json"]
    said = [
        json.loads(
            subprocess.run(
                command, stdout=subprocess.PIPE, check=True, preexec_fn=limited(0)
            ).stdout
        )
        for _ in range(2)
    ]
    assert [(each["sent"], each["already"]) for each in said] == [(2, 0), (0, 2)]
    assert kept_in(database) == ids


def test_a_folder_that_cannot_be_read(bcd: Ran, tmp_path: Path, database: str) -> None:
    """A file in its place, or no permission, is an error in one line."""
    (tmp_path / "file").touch()
    done = bcd("forward", "--to", database, "--folder", tmp_path / "file")
    assert done.status == 1
    assert done.err.startswith(f"bcd: the folder {tmp_path}/file cannot be read: Not a directory")


def test_without_what_it_needs(bcd: Ran, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the packages for PostgreSQL one line says what to install."""
    assert folder.is_dir()
    monkeypatch.setitem(sys.modules, "psycopg", None)
    done = bcd("forward", "--to", "postgresql://u@127.0.0.1/x")
    assert done.status == 1
    assert "pip install 'bcd[postgres]'" in done.err
    assert done.err.count("\n") == 1


def missing(arguments: Sequence[str], words: str, bcd: Ran) -> None:
    """Run it and look for what it says."""
    done = bcd(*arguments)
    assert done.status == 2
    assert words in done.err


def test_the_url_has_to_be_given(bcd: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a store the line names the option."""
    monkeypatch.delenv("BCD_STORE", raising=False)
    missing(["forward"], "Missing option '--to'", bcd)

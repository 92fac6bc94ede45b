"""`bcd send` as a person or a script uses it, against a server that records what comes."""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bcd.cli.program import run
from bcd.send.encoding import hex_id
from tests.upload_server import Conversation, UploadServer, answer

if TYPE_CHECKING:
    from collections.abc import Callable

    Bcd = Callable[..., tuple[int, str, str]]

SAMPLE = Path(__file__).parents[2] / "samples" / "checkout.bcd.json"
NEW = "01KAQ7T3M8Q9ZV4X1J6C5R2DWN"
OLD = "01KAQ7T3M8Q9ZV4X1J6C5R2DAA"
KEY = "abcdef0123456789"
RXID = b'{"response":"ok","_rxid":"01000000-0000"}'


@pytest.fixture(name="folder", autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    text = SAMPLE.read_text()
    for name in (NEW, OLD):
        (tmp_path / f"{name}.bcd.json").write_text(text.replace(NEW, name))
    monkeypatch.setenv("BCD_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture(name="bcd")
def _bcd(capsys: pytest.CaptureFixture[str]) -> Bcd:
    """Runs the program; whatever it says is without the key."""

    def bcd(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            run(arguments)
        printed = capsys.readouterr()
        assert KEY not in printed.out + printed.err
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return bcd


def dsn(server: UploadServer) -> str:
    """A DSN of the server."""
    return server.endpoint.replace("://", f"://{KEY}@") + "/42"


def test_to_sentry(bcd: Bcd, server: UploadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest snapshot goes to the DSN of the variable, and its id is printed."""
    monkeypatch.setenv("SENTRY_DSN", dsn(server))
    status, out, err = bcd("send", "--to", "sentry")
    assert (status, err) == (0, "")
    assert out == f"{NEW}  sent to {server.endpoint} as {hex_id(NEW)}\n"
    (request,) = server.conversations
    assert request.line == "POST /api/42/envelope/ HTTP/1.1"
    assert f"sentry_key={KEY}" in request.headers["x-sentry-auth"]
    assert gzip.decompress(request.body).count(b'{"type":"event"') == 1
    assert b'"attachment"' not in gzip.decompress(request.body)


def test_with_the_whole_snapshot(bcd: Bcd, server: UploadServer, folder: Path) -> None:
    """`--attach` sends the document as it lies in the folder."""
    assert bcd("send", OLD, "--to", "sentry", "--dsn", dsn(server), "--attach")[0] == 0
    (request,) = server.conversations
    assert (folder / f"{OLD}.bcd.json").read_bytes() in gzip.decompress(request.body)


def test_to_a_collector(bcd: Bcd, server: UploadServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard variables say where to, and with which headers."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{KEY}")
    status, out, err = bcd("send", "latest", "--to", "otlp")
    assert (status, err) == (0, "")
    assert out == f"{NEW}  sent to {server.endpoint} as {NEW}\n"
    (request,) = server.conversations
    assert request.line == "POST /v1/logs HTTP/1.1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert "resourceLogs" in json.loads(gzip.decompress(request.body))


def test_to_backtrace(bcd: Bcd, server: UploadServer) -> None:
    """All that are named go, one after the other."""
    server.behave = answer(200, RXID)
    url = f"{server.endpoint}/post?format=json&token={KEY}"
    status, out, err = bcd("send", NEW, OLD, "--to", "backtrace", "--url", url)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{name}  sent to {server.endpoint} as 01000000-0000" for name in (NEW, OLD)
    ]
    assert [json.loads(body)["attributes"]["bcd.id"] for body in server.bodies] == [NEW, OLD]


@pytest.mark.parametrize(
    ("to", "key"), [("sentry", "event_id"), ("otlp", "resourceLogs"), ("backtrace", "uuid")]
)
def test_dry_run(bcd: Bcd, to: str, key: str) -> None:
    """`--dry-run` prints the document and needs no address."""
    status, out, err = bcd("send", "--to", to, "--dry-run")
    assert (status, err) == (0, "")
    assert key in json.loads(out)


def test_a_refused_snapshot(bcd: Bcd, server: UploadServer) -> None:
    """The others go on; the status says that not all went well."""
    refuse, accept = answer(400, b"bad \x1b[31m" + KEY.encode()), answer(200, RXID)

    def behave(conversation: Conversation) -> None:
        (refuse if len(server.conversations) == 1 else accept)(conversation)

    server.behave = behave
    url = f"{server.endpoint}/post?token={KEY}"
    status, out, err = bcd("send", NEW, OLD, "--to", "backtrace", "--url", url)
    assert status == 1
    assert out.startswith(f"{OLD}  sent")
    said = f"{server.endpoint} answered 400 Bad Request; bad \\x1b[31m"
    assert err == f"bcd: {NEW} was not sent: {said}[redacted]\n"


def test_a_wrong_key(bcd: Bcd, server: UploadServer) -> None:
    """What holds for one holds for all: it is said once."""
    server.behave = answer(403)
    status, out, err = bcd("send", NEW, OLD, "--to", "sentry", "--dsn", dsn(server))
    assert (status, out, len(server.conversations)) == (1, "", 1)
    first, second = err.splitlines()
    assert first.startswith(f"bcd: {NEW} was not sent: {server.endpoint} answered 403 Forbidden; ")
    assert first.endswith("the key or token is not accepted; check it")
    assert second == "bcd: 1 more not sent for the same reason"


def test_answers_without_an_id(bcd: Bcd, server: UploadServer) -> None:
    """A server that is none of the service's is not believed."""
    server.behave = answer(200, f"<html>{KEY}</html>".encode())
    status, out, err = bcd("send", "--to", "sentry", "--dsn", dsn(server))
    assert (status, out) == (1, "")
    assert err == f"bcd: {NEW} was not sent: the answer is none of Sentry; check the DSN\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "sentry"], "Sentry needs a DSN: set SENTRY_DSN, or give --dsn"),
        (["--to", "sentry", "--dsn", f"https://{KEY}@h/"], "the DSN has no project"),
        (["--to", "sentry", "--url", f"https://h/{KEY}"], "--url is for --to backtrace"),
        (["--to", "otlp", "--attach"], "--attach is for --to sentry"),
        (["--to", "otlp", "--endpoint", f"{KEY}"], "the endpoint is no address of a server"),
        (["--to", "jira"], "is not one of 'sentry', 'otlp', 'backtrace'"),
        ([], "Missing option '--to'"),
        (["nothing", "--to", "otlp"], "no snapshot 'nothing'"),
        (["--to", "otlp", "--store", "postgresql://127.0.0.1:1/none"], "127.0.0.1:1/none"),
    ],
)
def test_mistakes(bcd: Bcd, server: UploadServer, arguments: list[str], said: str) -> None:
    """Each is one line, before anything is sent."""
    status, out, err = bcd("send", *arguments)
    assert status != 0
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert server.conversations == []


def test_nothing_is_logged(
    bcd: Bcd, server: UploadServer, caplog: pytest.LogCaptureFixture
) -> None:
    """No log of a library has the token either."""
    caplog.set_level(logging.DEBUG)
    server.behave = answer(200, RXID)
    url = f"{server.endpoint}/post?token={KEY}"
    assert bcd("send", "--to", "backtrace", "--url", url)[0] == 0
    assert KEY not in caplog.text


def test_without_httpx(folder: Path) -> None:
    """A missing library is named with the command that installs it; a dry run needs none."""
    code = "import sys; sys.modules['httpx'] = None; from bcd.cli import main; main()"

    def bcd(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-c",
                code,
                "send",
                "--to",
                "otlp",
                "--folder",
                str(folder),
                *arguments,
            ],
            capture_output=True,
            text=True,
            check=False,
        )

    assert bcd("--dry-run").returncode == 0
    missing = bcd()
    assert missing.returncode == 1
    assert missing.stderr.startswith("bcd: sending needs httpx, which is not installed; run ")
    assert missing.stderr.count("\n") == 1

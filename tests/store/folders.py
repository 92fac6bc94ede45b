"""Folders of snapshots as tests want them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bcd.snapshot.format import DUMP_OUTPUTS, file_name

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"
DAY = 86_400
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def made_id(seconds: float, kind: int = 0, number: int = 0) -> str:
    """The id of a snapshot that was made at some time, of some kind of error."""
    value = int(seconds * 1000) << 80 | kind << 40 | number
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def document(snapshot_id: str, **changes: Any) -> bytes:
    """The sample's document with another id."""
    sample: dict[str, Any] = json.loads(SAMPLE.read_bytes())
    return json.dumps(sample | {"id": snapshot_id} | changes).encode()


def put(folder: Path, snapshot_id: str, **changes: Any) -> Path:
    """Write a snapshot file as the tracer process does."""
    data = document(snapshot_id, **changes)
    path = folder / file_name(snapshot_id, len(data))
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
    return path


def put_dump(folder: Path, dump_id: str, tool: str = "py-spy", output: bytes = b"[]") -> Path:
    """Write a dump of another tool as bcd's program does; its output's path."""
    path = folder / f"{dump_id}{DUMP_OUTPUTS[tool]}"
    path.write_bytes(output)
    head = {
        "format": 1,
        "id": dump_id,
        "created": "2026-11-23T01:33:00.123456Z",
        "tool": {"name": tool, "path": "/bin/tool"},
        "reason": {"kind": "error"},
        "process": {"pid": 4320},
        "output": {"name": path.name, "size": len(output)},
    }
    (folder / f"{dump_id}.dump.json").write_text(json.dumps(head))
    return path


def names(folder: Path) -> list[str]:
    """What lies in a folder."""
    return sorted(path.name for path in folder.iterdir())


def ids(paths: Iterable[Path]) -> list[str]:
    """The ids in the names of files, sorted."""
    return sorted({path.name.lstrip(".")[:26] for path in paths})

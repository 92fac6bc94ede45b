"""Heads of snapshots, written by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from bcd.errors import SnapshotCorrupt
from bcd.snapshot.head import decode_head, encode_head, read_head

SAMPLE = Path(__file__).parents[1] / "samples" / "checkout.bcd.json"


def test_a_head_written_by_itself_reads_back_equal() -> None:
    """A head survives being written, as ASCII without a zero byte, whatever its texts hold."""
    data = SAMPLE.read_bytes().replace(b"could not be paid", b"\\u0000 \\ud800 \\u00e9")
    head = read_head(data)
    text = encode_head(head)
    assert decode_head(text) == head
    assert text.isascii()
    assert "\0" not in text


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1}'])
def test_what_is_no_head_is_said_to_be_none(text: str) -> None:
    """Damage is told in words."""
    with pytest.raises(SnapshotCorrupt):
        decode_head(text)

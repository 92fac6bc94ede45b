"""What differs between two snapshots for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bcd.report.difference.model import Difference

__all__ = ["document_of"]


def document_of(found: Difference) -> dict[str, object]:
    """Make a document of JSON's types alone; its keys are the attributes of the data classes."""
    return {"differs": not found.nothing, **asdict(found)}

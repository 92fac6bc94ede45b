"""What differs between two snapshots: found first, shown afterwards."""

from bcd.report.difference.compare import difference
from bcd.report.difference.model import Difference
from bcd.report.difference.text import difference_lines

__all__ = ["Difference", "difference", "difference_lines"]

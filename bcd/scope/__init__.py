"""Which request or task code runs in: what it was told about it, and which errors it has seen.

Below all hooks, so that those of the frameworks, ``recover`` and the program's own calls agree.
"""

from bcd.scope.marks import MARK, already_seen, leaves
from bcd.scope.place import FRAMEWORKS, WANTED, Scope, open_scope, own_attributes, request_here
from bcd.scope.texts import clean, clean_name

__all__ = [
    "FRAMEWORKS",
    "MARK",
    "WANTED",
    "Scope",
    "already_seen",
    "clean",
    "clean_name",
    "leaves",
    "open_scope",
    "own_attributes",
    "request_here",
]

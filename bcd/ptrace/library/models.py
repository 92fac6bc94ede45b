"""Rows, models and queries of databases, and models of data: what is loaded, nothing more."""

from __future__ import annotations

from bcd.ptrace.errors import MemoryFault
from bcd.ptrace.library.forms import attribute, fields, names_of, references
from bcd.ptrace.objects import DICT, LIST, TUPLE, TypeInfo

TYPE_CHECKING = False  # `typing` takes 8 ms to import
if TYPE_CHECKING:
    from bcd.ptrace.calibrate.search import Search
    from bcd.ptrace.library import Maker
    from bcd.ptrace.values import Renderer, Show

_EXTRA, _PRIVATE = "__pydantic_extra__", "__pydantic_private__"


def _data_models(renderer: Renderer, _search: Search) -> Show:
    """A model of pydantic: its fields, then what was given beyond them, then private ones."""

    def show(address: int, info: TypeInfo, depth: int) -> str:
        held = dict(renderer.objects.attributes(address))
        pairs = [pair for pair in held.items() if not pair[0].startswith("__pydantic_")]
        for name in (_EXTRA, _PRIVATE):
            pairs += names_of(renderer, held.get(name, 0)).items()
        inside = renderer.fields(address, pairs, len(pairs), depth)
        return f"{info.short}({inside})"

    return show


def _rows(renderer: Renderer, _search: Search) -> Show:
    """A row of SQLAlchemy, whose C class names no member: a dict and a tuple are its parts."""
    objects = renderer.objects

    def parts(address: int) -> tuple[int, int]:
        held = dict(objects.attributes(address))
        if "_data" in held:
            return held["_key_to_index"], held["_data"]
        found = references(renderer, address)
        by_kind = {objects.type_of(one).flags & (DICT | TUPLE): one for one in found}
        return by_kind.get(DICT, 0), by_kind.get(TUPLE, 0)

    def show(address: int, info: TypeInfo, depth: int) -> str:
        indexes, data = parts(address)
        if not indexes or not data:
            raise MemoryFault(f"no row at {address:#x}")
        names = {
            objects.integer(index): name for name, index in names_of(renderer, indexes).items()
        }
        items, size = objects.sequence(data, renderer.limits["items"])
        pairs = [(names.get(at) or f"_{at}", item) for at, item in enumerate(items)]
        inside = renderer.fields(address, pairs, size, depth)
        return f"{info.short}({inside})"

    return show


def _queries(renderer: Renderer, _search: Search) -> Show:
    """A query of Django, which asking for its items would send to the database."""

    def show(address: int, info: TypeInfo, depth: int) -> str:
        model = renderer.inner(attribute(renderer, address, "model"), depth - 1)
        result = attribute(renderer, address, "_result_cache")
        if not renderer.objects.type_of(result).flags & LIST:
            return f"<{info.name} of {model}, not evaluated>"
        items, size = renderer.objects.sequence(result, renderer.limits["items"])
        inside = renderer.items(address, items, size, depth)
        return f"<{info.name} of {model}, {size:,} loaded: [{inside}]>"

    return show


FIELDS: dict[str, Maker] = {
    "pydantic.main.BaseModel": _data_models,
    "sqlalchemy.engine.row.Row": _rows,
    "django.db.models.query.QuerySet": _queries,
    "django.http.request.HttpRequest": fields(
        *("method", "path", "GET", "_post", "_files", "content_type", "resolver_match"),
        *("user", "_cached_user", "META"),
    ),
}

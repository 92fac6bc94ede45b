"""A filter as conditions of a query; what it holds is handed over as values, never as SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, false, func, or_, select

from bcd.store.sql.rows import digest, microseconds, short, storable
from bcd.store.sql.schema import attribute, classifier, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Dialect, Select

    from bcd.store.base import Filter

__all__ = ["begins", "conditions", "contains", "most_have"]

_MANY = 5_000
_HEX = "0123456789abcdef"


def conditions(
    wanted: Filter, dialect: Dialect, *, probing: bool = False
) -> list[ColumnElement[bool]]:
    """What a row of ``bcd_snapshot`` has to fulfil.

    Args:
        wanted: What is meant.
        dialect: Of the database.
        probing: Look up the attributes of each row, as is best where nearly every row fits; by
            default the rows that have an attribute are looked up.
    """
    having = _probe if probing else _look_up
    attributes = [having(key, value) for key, value in wanted.attributes.items()]
    return [*_of_time(wanted), *_of_error(wanted, dialect), *_of_request(wanted), *attributes]


def most_have(connection: Connection, wanted: Filter) -> bool:
    """Whether so many have the attributes that one is found soon wherever one looks."""
    return bool(wanted.attributes) and all(
        connection.execute(_having(key, value).offset(_MANY).limit(1)).first()
        for key, value in wanted.attributes.items()
    )


def contains(text: ColumnElement[str], part: str, dialect: Dialect) -> ColumnElement[bool]:
    """Whether a text has a part, whose characters have no meaning, as they would for LIKE."""
    place = func.strpos if dialect.name == "postgresql" else func.instr
    return place(text, part) > 0


def begins(text: ColumnElement[str], begin: str) -> ColumnElement[bool]:
    """Whether a text of ASCII begins with letters or digits, by the order of an index."""
    return (text >= begin) & (text < f"{begin}\x7f")


def _of_time(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield snapshot.c.created >= microseconds(wanted.since)
    if wanted.until is not None:
        yield snapshot.c.created < microseconds(wanted.until)


def _of_error(wanted: Filter, dialect: Dialect) -> Iterator[ColumnElement[bool]]:
    columns = snapshot.c
    if wanted.type is not None:
        named = short(wanted.type)
        yield or_(columns.type == named, columns.short_type == named)
    if wanted.text:
        yield contains(columns.searched, storable(wanted.text.casefold()), dialect)
    if wanted.fingerprint is not None:
        begin = wanted.fingerprint.lower()
        known = all(character in _HEX for character in begin)
        yield begins(columns.fingerprint, begin) if known else false()


def _of_request(wanted: Filter) -> Iterator[ColumnElement[bool]]:
    columns = snapshot.c
    for column, value in (
        (columns.route, wanted.route),
        (columns.service, wanted.service),
        (columns.release, wanted.release),
    ):
        if value is not None:
            yield column == short(value)
    if wanted.classifier is not None:
        named = select(classifier.c.snapshot).where(classifier.c.name == short(wanted.classifier))
        yield columns.number.in_(named)


def _look_up(key: str, value: str | None) -> ColumnElement[bool]:
    return snapshot.c.number.in_(_having(key, value))


def _probe(key: str, value: str | None) -> ColumnElement[bool]:
    """A query for each row, which no planner turns into the look-up again."""
    own = select(attribute.c.digest).where(attribute.c.snapshot == snapshot.c.number)
    found = own.where(attribute.c.key == short(key)).correlate(snapshot).scalar_subquery()
    return found.is_not(None) if value is None else found == digest(storable(value))


def _having(key: str, value: str | None) -> Select[Any]:
    having = select(attribute.c.snapshot).where(attribute.c.key == short(key))
    return having if value is None else having.where(attribute.c.digest == digest(storable(value)))

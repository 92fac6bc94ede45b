"""The function of the program that ``BCD_BEFORE_TRACE`` names."""

from __future__ import annotations

from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bcd.errors import ConfigError
from bcd.variables import UnusableError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NamedFunction"]


class NamedFunction:
    """Stands for the function until it is first called.

    Its module may be the very one that is being imported now, so it is not looked up at once.

    Args:
        text: ``module:function``, or ``module:Class.method``.

    Raises:
        UnusableError: The text is of another form.
    """

    def __init__(self, text: str) -> None:
        module, _, function = text.partition(":")
        if not all(part.isidentifier() for part in [*module.split("."), *function.split(".")]):
            raise UnusableError("accepted is a function as 'module:function'")
        self._module, self._path = module, function.split(".")
        self._function: Any = None

    def __str__(self) -> str:
        return f"{self._module}:{'.'.join(self._path)}"

    def load(self) -> None:
        """Look the function up now.

        Raises:
            ConfigError: It cannot be had.
        """
        try:
            found = reduce(getattr, self._path, import_module(self._module))
        except Exception as problem:
            raise ConfigError(
                f"BCD_BEFORE_TRACE is '{self}', which could not be imported: "
                f"{type(problem).__name__}: {problem}"
            ) from problem
        if not callable(found):
            raise ConfigError(
                f"BCD_BEFORE_TRACE is '{self}', which is no function but of type "
                f"{type(found).__name__}"
            )
        self._function = found

    def __call__(
        self, error: BaseException, attributes: dict[str, str]
    ) -> Mapping[str, object] | None:
        """Call the function.

        Raises:
            ConfigError: It cannot be had.
        """
        if self._function is None:
            self.load()
        edited: Mapping[str, object] | None = self._function(error, attributes)
        return edited

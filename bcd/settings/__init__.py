"""What the process was told by ``bcd.init`` and by ``BCD_…`` variables.

A setting comes from the arguments of ``init``, else from its variable, else it has its default.
A program that never calls ``init`` has what its environment says; nothing is raised there.
"""

from bcd.settings.current import current_settings, replace_settings
from bcd.settings.function import NamedFunction
from bcd.settings.model import (
    DEFAULT_HOOKS,
    HOOKS,
    INTEGRATIONS,
    TRACERS,
    Arguments,
    BeforeTrace,
    Ignore,
    Settings,
)
from bcd.settings.reading import checked, misspelled, read
from bcd.settings.values import a_config, ignored

__all__ = [
    "DEFAULT_HOOKS",
    "HOOKS",
    "INTEGRATIONS",
    "TRACERS",
    "Arguments",
    "BeforeTrace",
    "Ignore",
    "NamedFunction",
    "Settings",
    "a_config",
    "checked",
    "current_settings",
    "ignored",
    "misspelled",
    "read",
    "replace_settings",
]

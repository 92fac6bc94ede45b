"""``init``: set bcd up for the whole process in one line; ``start``: do so without being asked."""

from __future__ import annotations

import _thread
import os
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from bcd._greenlets import limitation
from bcd.config import config_from, current_config, update_config
from bcd.errors import ConfigError
from bcd.integrations import automatic, hooks
from bcd.notice import notice
from bcd.settings import (
    NamedFunction,
    a_config,
    checked,
    current_settings,
    misspelled,
    read,
    replace_settings,
)
from bcd.tracers import default_tracer, set_default_tracer
from bcd.tracers._choice import make
from bcd.variables import Variables

if TYPE_CHECKING:
    from typing import Unpack

    from bcd.config import GlobalConfig
    from bcd.settings import Arguments, Settings
    from bcd.tracer import Tracer, TracerSig

__all__ = ["init", "start"]


def init(**arguments: Unpack[Arguments]) -> None:
    """Set bcd up for the whole process, and have errors traced that nothing handles.

    Each setting that is not given, or None, comes from its variable, ``BCD_`` and its name in
    upper case, else it has its default. Calling it again replaces everything that an earlier
    call set up, :func:`bcd.update_config` and the default tracer included. Safe to call from
    any thread, save with the hook ``signals``, which needs the main thread.

    Args:
        **arguments: All by name:

            - ``tracer``: the default tracer: an object, ``"python"``, ``"backtrace"``,
              ``"pyspy"``, ``"pystack"``, ``"gcore"``, or the absolute path of a program that
              takes the options of Backtrace's ptrace. See :func:`bcd.tracers.default_tracer`.
            - ``config``: a :class:`bcd.GlobalConfig`; its fields have variables of their own,
              such as ``BCD_RATE_LIMIT``.
            - ``hooks``: which of ``excepthook``, ``threading``, ``multiprocessing``, ``asyncio``
              (these four by default), ``unraisable``, ``logging`` and ``signals`` to install; see
              :func:`bcd.integrations.hooks.install` and :func:`bcd.register`.
            - ``integrations``: which frameworks to have watched as a whole, once the program
              imports them: names (``starlette``, which is FastAPI too, ``flask``, ``django``,
              ``celery``, ``uvicorn`` and ``gunicorn`` for applications of any other make), names
              with a minus to leave these out, or an empty list; all by default. What the program
              instruments itself keeps its own settings.
            - ``release``, ``environment``, ``service``: attributes of every trace of this
              process, as ``service.version``, ``deployment.environment.name``, ``service.name``.
            - ``attributes``: further ones; where a single trace says otherwise, that holds.
            - ``ignore``: exception classes, or names like ``"shop.OutOfStock"``, that no hook
              traces.
            - ``before_trace``: is called by every hook, after its own, with the error and its
              attributes; returns these, edited or not, or None for no trace. As a variable
              ``module:function``.
            - ``redact``, ``reveal``, ``limits``, ``folder`` (``BCD_DIR``), ``python``: as for
              :class:`bcd.PythonTracer`.
            - ``timeout``: the default tracer's, in seconds or as a ``timedelta``; below 0 means
              none, 0 the tracer's own.

    Raises:
        ConfigError: A setting is not known or cannot be used; nothing was changed.
    """
    variables = Variables(strict=True)
    settings = read(arguments, variables)
    config = _config(arguments.get("config"), variables)
    if isinstance(settings.before_trace, NamedFunction):
        settings.before_trace.load()
    tracer = make(settings)
    for line in misspelled(os.environ):
        notice(line)
    with _Installed.lock:
        _installed.replace(settings, config, tracer)
    if (limited := limitation()) is not None:
        notice(limited)


def start() -> None:
    """Set bcd up as the environment says, in a program that does not ask for it.

    What cannot be used is told on stderr, and what holds by default is taken; no function of the
    program is looked up before it is needed.
    """
    settings, config = current_settings(), current_config()
    with _Installed.lock:
        try:
            _installed.replace(settings, config, default_tracer())
        except ConfigError as problem:  # the signals cannot be had
            notice(f"{problem}; they are not traced")
            others = tuple(hook for hook in settings.hooks if hook != "signals")
            _installed.replace(replace(settings, hooks=others), config, default_tracer())


def _config(given: object, variables: Variables) -> GlobalConfig:
    return config_from(variables) if given is None else checked("config", given, a_config)


class _Installed:
    """What the last ``init`` installed."""

    lock = _thread.RLock()
    """Held while one ``init`` replaces another; nothing that traces an error needs it."""

    def __init__(self) -> None:
        self._hooks: hooks.Handle | None = None
        self._integrations: automatic.Handle | None = None
        self._registered: TracerSig | None = None

    def replace(self, settings: Settings, config: GlobalConfig, tracer: Tracer) -> None:
        """Install anew; what can fail comes first.

        The new hooks are there before the old ones go, so that no error slips through.

        Raises:
            ConfigError: The signals could not be had; nothing was changed.
        """
        registered = self._register(tracer, config) if "signals" in settings.hooks else None
        update_config(config)
        replace_settings(settings)
        set_default_tracer(tracer)
        points = [name for name in settings.hooks if name in hooks.POINTS]
        earlier = (self._hooks, self._integrations, self._registered)
        self._hooks, self._registered = hooks.install(points=points), registered
        self._integrations = automatic.switch_on(settings.integrations)
        self._remove(*earlier)

    def _register(self, tracer: Tracer, config: GlobalConfig) -> TracerSig:
        from bcd.signals import register  # only where it is asked for

        if not hasattr(tracer, "sigset"):
            raise ConfigError(
                f"hooks has 'signals', for which {tracer} is no tracer: accepted is one that has "
                "all methods of bcd.TracerSig"
            )
        registered = cast("TracerSig", tracer)
        earlier = current_config()
        update_config(config)  # which register() reads
        try:
            register(registered)
        except BaseException:
            update_config(earlier)
            raise
        return registered

    def _remove(
        self,
        handle: hooks.Handle | None,
        integrations: automatic.Handle | None,
        registered: TracerSig | None,
    ) -> None:
        for installed in (handle, integrations):
            if installed is not None:
                installed.uninstall()
        if registered is not None and registered is not self._registered:
            from bcd.signals import unregister  # it is loaded

            unregister(registered)


def _renew_lock() -> None:
    _Installed.lock = _thread.RLock()


os.register_at_fork(after_in_child=_renew_lock)  # another thread may have been in init()

_installed = _Installed()

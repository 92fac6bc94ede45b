"""A management command of Django that fails as its first argument says; bcd if the second does."""

from __future__ import annotations

import sys
from typing import Any

import django
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

import bcd

if sys.argv[2] == "traced":
    bcd.init()

settings.configure()
django.setup()


class Boom(Exception):  # noqa: N818 - short
    """An error of the program."""


class Command(BaseCommand):
    """The command."""

    def handle(self, **_: Any) -> None:
        """Fail."""
        if sys.argv[1] == "badly":
            raise Boom("deep")
        raise CommandError("used wrongly")


Command().run_from_argv(["manage.py", "sell"])

"""What can go wrong, each as a sentence for the person at the keyboard, and the exit code that goes with it."""

from typing import Final

OK: Final = 0
WRONG: Final = 1
"""It found something wrong, or was refused."""
USAGE: Final = 2
"""What was asked for makes no sense; argparse ends with the same one."""
UNREACHABLE: Final = 3
"""A part of the site does not answer, or lets nobody in."""


class CtlError(Exception):
    """A verb cannot do its work; the message says what to do."""

    code = WRONG


class UsageError(CtlError):
    """Arguments or environment are wrong, or something is missing."""

    code = USAGE


class UnreachableError(CtlError):
    """A part of the site does not answer, or does not take the credentials."""

    code = UNREACHABLE

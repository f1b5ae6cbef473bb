"""The SQL of logic, one statement a file."""

from importlib.resources import files
from typing import LiteralString


def read(name: str) -> LiteralString:
    """A statement by its name; it comes with the package, so it is as literal as the code."""
    return (files(__package__) / f"{name}.sql").read_text(encoding="utf-8")

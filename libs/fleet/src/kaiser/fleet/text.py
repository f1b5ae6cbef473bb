"""JSON as the firmware writes it: pieces glued together, numbers with fixed decimals, strings as they are.

A quote in a zone id breaks the message, as it does on real devices (wire contract, section 4).
"""

import math


def fields(**values: str) -> str:
    """An object of values that are JSON already, in this order."""
    return "{" + ",".join(f'"{name}":{value}' for name, value in values.items()) + "}"


def s(value: str) -> str:
    """A string, unescaped."""
    return f'"{value}"'


def b(value: object) -> str:
    """A boolean."""
    return "true" if value else "false"


def f2(value: float) -> str:
    """A number with two decimals, as Arduino's ``String(value, 2)``: what is no number becomes ``nan`` or ``inf``."""
    return _fixed(value, 2)


def f3(value: float) -> str:
    """A number with three decimals."""
    return _fixed(value, 3)


def u32(value: float) -> str:
    """An unsigned number of 32 bits: a negative one wraps."""
    return str(int(value) % (1 << 32))


def _fixed(value: float, decimals: int) -> str:
    if math.isnan(value):
        return "nan"
    return "inf" if math.isinf(value) else f"{value:.{decimals}f}"

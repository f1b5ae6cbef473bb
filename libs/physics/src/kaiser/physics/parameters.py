"""Parameters of a sensor: strictly read, with the path of what is wrong."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Final, TypeVar

import msgspec

from kaiser.physics.errors import ParameterError

_PATH: Final = re.compile(r"(.+) - at `(.+)`")
_UNKNOWN: Final = re.compile(r"unknown field `(.+)`")

Positive = Annotated[float, msgspec.Meta(gt=0)]
UnitText = Annotated[str, msgspec.Meta(min_length=1, max_length=16)]


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the parameters of every family: unknown fields and numbers that are none are refused."""

    def __post_init__(self) -> None:
        for field in self.__struct_fields__:
            number = getattr(self, field)
            if isinstance(number, float) and not math.isfinite(number):
                raise ValueError(f"`{field}` must be a finite number")


P = TypeVar("P", bound=Parameters)


def parse(kind: type[P], given: Mapping[str, object] | None) -> P:
    """Read parameters; what is not given has its default.

    Args:
        kind: Parameters of the family.
        given: As decoded from JSON; None for the defaults.

    Raises:
        ParameterError: With the path of the first thing that is wrong.
    """
    try:
        return msgspec.convert(dict(given or {}), kind)
    except msgspec.ValidationError as error:
        words = str(error)
        if at := _PATH.fullmatch(words):
            raise ParameterError(at[2], f"{at[1]} (at {at[2]})") from error
        if (unknown := _UNKNOWN.search(words)) is None:
            raise ParameterError("$", words) from error
        known = ", ".join(kind.__struct_fields__) or "none at all"
        raise ParameterError(f"$.{unknown[1]}", f"Unknown field `{unknown[1]}`; there are: {known}") from error

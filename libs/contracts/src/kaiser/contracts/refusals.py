"""How the owner of an aggregate or a projection says no: an answer, not a mistake of ours."""

from collections.abc import Sequence
from typing import Literal

import msgspec


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with something of many parts, and where.

    Attributes:
        path: As in ``condition.conditions[0].sensor``; empty for all of it.
        weight: A ``warning`` does not keep it from being taken.
    """

    path: str
    code: str
    detail: str
    weight: Literal["error", "warning"] = "error"


class Refusal(Exception):  # noqa: N818  # an answer
    """A request is refused.

    Attributes:
        code: Stable code.
        detail: What is wrong, in words.
        where: Field of the request; empty for all of it.
        faults: Everything that is wrong, where that is more than a sentence.
    """

    def __init__(self, code: str, detail: str, where: str = "", faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.where = where
        self.faults = tuple(faults)


def refusal_of(code: str, faults: Sequence[Fault]) -> Refusal:
    """A refusal for everything that is wrong: its detail has the faults one a line, for people.

    Args:
        code: Stable code of all of it.
        faults: At least one.
    """
    lines = [f"{fault.path}: {fault.detail}" if fault.path else fault.detail for fault in faults]
    return Refusal(code, "\n".join(lines), faults[0].path, faults)

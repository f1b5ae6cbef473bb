"""Why a device's message was refused, while it is being read."""

from kaiser.contracts.codes import Code


class RefusedError(ValueError):
    """A message that is not taken.

    Attributes:
        code: Stable code.
        detail: What was wrong, in words.
        where: Path of the field, empty for the whole.
    """

    def __init__(self, code: Code, detail: str, where: str = "") -> None:
        super().__init__(f"{where}: {detail}" if where else detail)
        self.code = code
        self.detail = detail
        self.where = where

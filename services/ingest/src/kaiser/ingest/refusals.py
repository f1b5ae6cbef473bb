"""How the registry says no."""


class RegistryError(Exception):
    """The registry refuses a command.

    Attributes:
        code: Stable code.
        where: Field of the command.
    """

    def __init__(self, code: str, detail: str, where: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.where = where

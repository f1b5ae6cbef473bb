"""How the owner of an aggregate or a projection says no: an answer, not a mistake of ours."""


class Refusal(Exception):  # noqa: N818  # an answer
    """A request is refused.

    Attributes:
        code: Stable code.
        detail: What is wrong, in words.
        where: Field of the request; empty for all of it.
    """

    def __init__(self, code: str, detail: str, where: str = "") -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.where = where

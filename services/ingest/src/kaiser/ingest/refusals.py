"""How the registry says no."""

from kaiser.contracts.refusals import Refusal


class RegistryError(Refusal):
    """The registry refuses a command."""

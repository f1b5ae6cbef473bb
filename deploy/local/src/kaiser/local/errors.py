"""What can go wrong when Kaiser is set up on one machine, each as a sentence for the person at the keyboard."""


class LocalError(Exception):
    """Set-up or start cannot go on; the message is one sentence that says what to do."""


class PortTakenError(LocalError):
    """A port that Kaiser wants is in use by somebody else."""


class NotReadyError(LocalError):
    """A server or service did not become ready in time."""

"""What can go wrong with a backup, as a sentence for whoever makes or needs it."""

from kaiser.local.errors import LocalError


class BackupError(LocalError):
    """It cannot be made, or not be restored; the message says what to do."""

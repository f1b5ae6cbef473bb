"""Running PostgreSQL and Mosquitto as somebody other than root.

PostgreSQL refuses to run as root, and ``initdb`` wants a passwd entry for its user. Both are met by a user namespace in
which the caller appears as ``nobody``: no chown, no su, and the files stay the caller's own.
"""

import functools
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from kaiser.local.errors import LocalError

NOBODY: Final = 65534
_NAMESPACE: Final = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
_BECOME_NOBODY: Final = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


@functools.cache
def unprivileged() -> tuple[str, ...]:
    """The words to put before a server's command so that it does not run as root; empty for an ordinary user.

    Raises:
        LocalError: Neither way of leaving root behind works on this machine.
    """
    if os.getuid() != 0 and _has_passwd_entry():
        return ()
    for prefix in (_NAMESPACE, _BECOME_NOBODY):
        if (
            shutil.which(prefix[0])
            and subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode == 0
        ):
            return prefix
    raise LocalError(
        "PostgreSQL does not run as root, and this machine lets root become nobody else: use another user."
    )


def hand_over(folders: Iterable[Path]) -> None:
    """Make the folders writable for whoever :func:`unprivileged` runs the servers as; a no-op but for real ``nobody``.

    Where user namespaces are not allowed (a chroot, a locked-down container), the servers really become ``nobody``,
    who must own their folders and be able to reach them.

    Raises:
        LocalError: A parent folder cannot be searched by ``nobody``.
    """
    if unprivileged() != _BECOME_NOBODY:
        return
    for folder in folders:
        subprocess.run(["chown", "-R", "nobody:nogroup", folder], check=True)
        if subprocess.run([*_BECOME_NOBODY, "test", "-r", folder], check=False).returncode != 0:
            raise LocalError(
                f"{folder} cannot be reached by user nobody: set KAISER_HOME to a folder outside of /root."
            )


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _has_passwd_entry() -> bool:
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return False
    return True

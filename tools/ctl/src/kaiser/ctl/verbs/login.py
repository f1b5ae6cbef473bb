"""``kaiserctl login`` and ``logout``."""

from argparse import Namespace
from typing import TYPE_CHECKING

from kaiser.ctl.parsing import Verbs, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    words = "log in at a gateway, for the verbs that come; the password is asked for, or read from a file"
    examples = (
        "--url https://kaiser.example login --user ada",
        "--url https://kaiser.example login --user ada --password-file - < password",
    )
    verb = leaf(verbs, "login", words, _login, examples=examples)
    verb.add_argument("--user", help="user name; asked for without it")
    verb.add_argument("--password-file", metavar="FILE", help="its password; - for standard input")
    leaf(verbs, "logout", "end the session that login began, and forget its tokens", _logout)


def _login(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.login import login

    return login(site, arguments)


def _logout(site: "Site", arguments: Namespace) -> int:
    from kaiser.ctl.login import logout

    return logout(site, arguments)

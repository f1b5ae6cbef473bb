"""``kaiserctl users``: who may log in."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Final

from kaiser.ctl.parsing import Run, Verbs, group, leaf

if TYPE_CHECKING:
    from kaiser.ctl.site import Site

ROLES: Final = ("viewer", "operator", "engineer", "admin")


def register(verbs: Verbs) -> None:
    """Add the verbs."""
    under = group(verbs, "users", "who may log in, and as what")
    leaf(under, "list", "all users", _verb("listed"))
    examples: tuple[str, ...] = (
        "users add ada --role operator --zone north_tent",
        "users add ada --new-password-file - < password",
    )
    verb = leaf(
        under, "add", "make an account; the password is asked for, or read from a file", _verb("add"), examples=examples
    )
    _user(verb)
    verb.add_argument("--role", choices=ROLES, default="viewer", help="by default viewer")
    _zones(verb)
    _password(verb)
    examples = ("users roles ada", "users roles ada --role engineer", "users roles ada --zone north_tent --zone lab")
    verb = leaf(under, "roles", "show role and zones of a user, or give others", _verb("roles"), examples=examples)
    _user(verb)
    verb.add_argument("--role", choices=ROLES, help="by default as it is")
    _zones(verb)
    verb.add_argument("--all-zones", action="store_true", help="confine the user to no zone any more")
    _user(leaf(under, "disable", "put an account out of use, at once and on every gateway", _verb("disable")))
    words = "put a disabled account into use again; failed logins lock nobody out for longer than a minute"
    _user(leaf(under, "unlock", words, _verb("unlock")))
    words = "give a user another password, which ends all their sessions"
    verb = leaf(under, "reset-password", words, _verb("reset_password"), examples=("users reset-password ada",))
    _user(verb)
    _password(verb)


def _verb(name: str) -> Run:
    def run(site: "Site", arguments: Namespace) -> int:
        from kaiser.ctl import users

        return users.VERBS[name](site, arguments)

    return run


def _user(verb: ArgumentParser) -> None:
    verb.add_argument("name", metavar="USER", help="user name")


def _zones(verb: ArgumentParser) -> None:
    verb.add_argument("--zone", action="append", dest="zones", help="a zone to confine the user to; more than once")


def _password(verb: ArgumentParser) -> None:
    verb.add_argument("--new-password-file", metavar="FILE", help="the new password; - for standard input")

"""Logging in and out. A password is never an argument, which everybody on the machine could read."""

import getpass
import sys
from argparse import Namespace

from kaiser.ctl import session
from kaiser.ctl.api import Api, client_of
from kaiser.ctl.errors import CtlError, UsageError
from kaiser.ctl.finding import secret_in
from kaiser.ctl.printing import show
from kaiser.ctl.site import Site


def login(site: Site, arguments: Namespace) -> int:
    """Get tokens for a user name and a password, and keep them."""
    gateway = site.need_gateway()
    user = gateway.user or _ask_for("user: ", secret=False)
    password = gateway.password or _ask_for(f"password of {user}: ", secret=True)
    with Api(client_of(site)) as api:
        answer = api.post("/auth/login", {"username": user, "password": password})
    session.keep(gateway.url, answer["tokens"])
    who = answer["user"]
    show(arguments, who, lambda who: f"logged in at {gateway.url} as {who['username']}, {who['role']}")
    return 0


def logout(site: Site, arguments: Namespace) -> int:
    """End the session, and forget its tokens."""
    gateway = site.need_gateway()
    client = client_of(site)
    tokens = session.tokens_of(gateway.url, client)
    if tokens is not None:
        with Api(client, tokens) as api:
            try:
                api.post("/auth/logout", {})
            except CtlError:
                if session.tokens_of(gateway.url, client) is not None:  # else the session had ended before
                    raise
            finally:
                session.forget(gateway.url)
    words = "logged out" if tokens else "nobody was logged in"
    show(arguments, {"was_logged_in": tokens is not None}, lambda _: words)
    return 0


def new_password(file: str | None, prompt: str) -> str:
    """A password that somebody is to have: out of a file, or asked for twice.

    Args:
        file: Its file; ``-`` for standard input, None for asking.
        prompt: What is asked.

    Raises:
        UsageError: There is nobody to ask, or the two differ.
    """
    if file:
        return secret_in(file)
    first = _ask_for(prompt, secret=True)
    if first != _ask_for("once more: ", secret=True):
        raise UsageError("the two passwords differ.")
    return first


def _ask_for(prompt: str, *, secret: bool) -> str:
    if not sys.stdin.isatty():
        raise UsageError("there is nobody to ask: give --user and --password-file.")
    return getpass.getpass(prompt) if secret else input(prompt)

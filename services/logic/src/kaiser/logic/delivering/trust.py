"""Whom to trust outside of the site."""

import ssl
from pathlib import Path

import certifi


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """The public authorities, and one more.

    The site's own authority does not vouch for what is outside, and it is the one that ``SSL_CERT_FILE`` names in
    containers, which would be asked otherwise.

    Args:
        ca_file: Certificates of an authority; None for none.

    Raises:
        OSError: It cannot be read, or is none.
    """
    context = ssl.create_default_context(cafile=certifi.where())
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context

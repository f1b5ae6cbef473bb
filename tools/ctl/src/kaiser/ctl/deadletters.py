"""Dead letters over the REST API, which notes who settled what."""

import base64
import os
import shlex
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kaiser.ctl.api import Api, api_of
from kaiser.ctl.errors import CtlError, UsageError
from kaiser.ctl.printing import show, table
from kaiser.ctl.site import Site

Json = Mapping[str, Any]  # an object out of JSON

REPLAYED: Final = "replayed"


def listed(site: Site, arguments: Namespace) -> int:
    """List letters."""
    with api_of(site) as api:
        found = list(
            api.pages(
                "/dead-letters",
                most=arguments.most,
                state=arguments.state,
                service=arguments.service,
                code=arguments.code,
                about=arguments.about,
                **{"from": arguments.start, "to": arguments.end},
            )
        )
    show(arguments, found, _in_columns)
    return 0


def shown(site: Site, arguments: Namespace) -> int:
    """Show a letter."""
    with api_of(site) as api:
        show(arguments, _letter(api, arguments.letter_id), lambda found: "\n".join(_in_full(found)))
    return 0


def replay(site: Site, arguments: Namespace) -> int:
    """Have a letter taken once more; 1 if it is refused again."""
    with api_of(site) as api:
        return _replayed(api, arguments, {"reason": arguments.reason})


def edit_and_replay(site: Site, arguments: Namespace) -> int:
    """Have other bytes taken instead of a letter's; 1 if they are refused."""
    with api_of(site) as api:
        payload = (
            _file(arguments.payload_file) if arguments.payload_file else _edited(_letter(api, arguments.letter_id))
        )
        return _replayed(
            api,
            arguments,
            {"reason": arguments.reason, "payload_base64": base64.b64encode(payload).decode()},
        )


def discard(site: Site, arguments: Namespace) -> int:
    """Note that nothing is to come of a letter."""
    with api_of(site) as api:
        found = api.post(f"/dead-letters/{arguments.letter_id}/discard", {"reason": arguments.reason})
    show(arguments, found, lambda found: f"{found['letter_id']}: {found['state']} by {found['settled_by']}")
    return 0


def _letter(api: Api, letter_id: str) -> Json:
    found: Json = api.get(f"/dead-letters/{letter_id}")
    return found


def _replayed(api: Api, arguments: Namespace, wish: Json) -> int:
    found = api.post(f"/dead-letters/{arguments.letter_id}/replay", wish)
    show(arguments, found, _outcome)
    return int(found["state"] != REPLAYED)


def _outcome(found: Json) -> str:
    if found["state"] == REPLAYED:
        return f"{found['letter_id']}: replayed, {len(found['event_ids'])} events"
    return f"{found['letter_id']}: {found['state']}; refused again: {found['last_code']}: {found['last_detail']}"


def _edited(letter: Json) -> bytes:
    """What somebody makes of the bytes in their editor."""
    before = base64.b64decode(letter["payload_base64"])
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UsageError("set EDITOR, or give the mended bytes with --payload-file.")
    with tempfile.TemporaryDirectory(prefix="kaiserctl-") as folder:
        path = Path(folder) / f"letter-{letter['letter_id']}.json"
        path.touch(mode=0o600)
        path.write_bytes(before)
        if subprocess.run([*shlex.split(editor), str(path)], check=False).returncode != 0:  # noqa: S603 - theirs
            raise CtlError(f"{editor} failed; nothing was replayed.")
        after = path.read_bytes()
    # Editors end a file with a line break, which is none of the message
    after = after if before.endswith(b"\n") else after.removesuffix(b"\n")
    if after == before:
        raise CtlError("nothing was changed, so nothing was replayed; 'dead-letters replay' takes it as it is.")
    return after


def _file(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _in_columns(found: Sequence[Json]) -> str:
    rows = [
        (
            each["letter_id"],
            each["stored_at"],
            each["state"],
            each["service"],
            each["code"],
            each["topic"] or f"{each['stream']}/{each['stream_seq']}",
        )
        for each in found
    ]
    return table(("letter", "stored", "state", "refused by", "code", "message"), rows)


def _in_full(found: Json) -> Iterator[str]:
    yield f"{found['letter_id']}: {found['state']}, refused by {found['service']}: {found['code']} {found['detail']}"
    if found["where"]:
        yield f"  where     {found['where']}"
    yield f"  message   {found['topic'] or found['subject']}"
    yield f"  received  {found['received_at']}, {found['size']} bytes"
    if found["settled_by"]:
        yield f"  settled   {found['settled_at']} by {found['settled_by']}: {found['reason']}"
    if found["last_code"]:
        yield f"  last try  {found['last_code']}: {found['last_detail']}"
    if found["event_ids"]:
        yield f"  became    {', '.join(found['event_ids'])}"
    yield "  payload"
    text = found["payload_text"]
    yield text if text is not None and text.isprintable() else f"(base64) {found['payload_base64']}"

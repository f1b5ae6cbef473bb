"""Mosquitto: its configuration, who may log in, and which topics each of them may use."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

from kaiser.local.account import hand_over, unprivileged
from kaiser.local.tree import Tree

USERS: Final = ("bridge", "access", "commissioning", "device", "loadgen")
"""Who may log in with a password of this home: the bridge, once more the bridge for managing the keys of devices, new
devices, simulated devices (one shared account, as fleets have that were never given keys), and the benchmarks' load
generator. A device with a key of its own is a client of the dynamic security plugin instead."""
SHARED: Final = "device"
"""The account that a fleet without keys shares."""

CONFIGURATION: Final = Template("""\
# Written by kaiser.local at every start; change deploy/local/src/kaiser/local/mosquitto.py instead.
$listeners
allow_anonymous false
password_file $folder/passwords
acl_file $folder/acl
# Devices with a key of their own: whom the files do not know, and what they do not allow, is the plugin's to decide.
plugin $plugin
plugin_opt_config_file $data/dynamic-security.json

# Without it Nagle's algorithm holds every small packet back for up to 40 ms.
set_tcp_nodelay true

# A client's queue while it is away or slow. The default of 1000 silently drops what is beyond: at 20,000 readings/s
# that is 50 ms. A million messages are 50 s of full load for an absent bridge (hours for a real fleet) and cost
# 0.5 KiB of memory each (measured); the bytes count payloads only.
max_queued_messages 1000000
max_queued_bytes 536870912
# Real devices of the `dec` generation publish everything with QoS 0: it must survive a bridge's restart, too.
queue_qos0_messages true
# And it goes to the bridge with the QoS of the bridge's subscription. Without this line Mosquitto 2.0.21 takes one from
# a resumed session's receive maximum for each QoS 0 message that was queued, and never gives it back: once as many
# as the receive maximum were queued, no QoS 1 message arrives any more until the bridge connects anew. With it, the
# receive maximum holds back QoS 0 messages, too, and the broker keeps each until the bridge has acknowledged it.
upgrade_outgoing_qos true
# Messages on their way to a 3.1.1 client, and what a version 5 client may have on its way to the broker (the bridge
# states its own receive maximum, which comes first). The default of 20 caps a publisher at 20 messages a round trip.
max_inflight_messages 1000
# The largest packet in the contract is a configuration of about 4 KiB; a client that sends more is disconnected.
max_packet_size 65536

# Sessions and queues on disk. Mosquitto writes the whole store each time and serves nobody meanwhile (0.12 s and 54 MB
# for 200,000 queued messages, measured), so the seconds between two saves are a trade: what a kill -9 loses of a queue
# that grows (nothing is queued while the bridge drains), against rewriting a long queue again and again.
persistence true
persistence_location $data/
autosave_interval $autosave_s
# Sessions whose client never comes back; the bridge states its own expiry.
persistent_client_expiration 7d

log_dest stdout
log_type error
log_type warning
log_type notice
log_type information
log_timestamp_format %Y-%m-%dT%H:%M:%S
""")

CLIENTS: Final = "dynamic-security.json"
NO_CLIENTS: Final = (
    '{"defaultACLAccess":{"publishClientSend":false,"publishClientReceive":false,"subscribe":false,"unsubscribe":true},'
    '"clients":[],"groups":[],"roles":[]}'
)
"""What the plugin starts with; afterwards the file is its own."""

ACCESS: Final = """\
# Written by kaiser.local at every start; change deploy/local/src/kaiser/local/mosquitto.py instead.
user bridge
topic readwrite kaiser/#
topic read $SYS/#

user access
topic readwrite $CONTROL/dynamic-security/#

user loadgen
topic write kaiser/+/esp/+/sensor/+/data

# New devices have the account `commissioning`: they may introduce themselves, under their own client id, which is their
# device id, and hear the answer. The kaiser level may be empty.
pattern write kaiser/+/esp/%c/system/heartbeat
pattern write kaiser/+/esp/%c/system/will
pattern write kaiser/+/esp/%c/session/announce
pattern read kaiser/+/esp/%c/system/heartbeat/ack
"""

SHARED_ACCESS: Final = """
# A shared account tells devices apart by client id alone, and any of them may take any.
pattern readwrite kaiser/+/esp/%c/#
pattern read kaiser/broadcast/#
pattern read kaiser/+/server/status
"""

EVERYTHING: Final = """
user {user}
topic readwrite #
topic read $SYS/#
"""


def prepare(
    folder: Path,
    *,
    plugin: Path,
    port: int,
    passwords: Mapping[str, str],
    autosave_s: int = 5,
    superuser: str | None = None,
    listen: str = "127.0.0.1",
) -> None:
    """Write configuration, passwords and access rules; the store of sessions and queues in the folder is left alone.

    Args:
        folder: The broker's own folder, made if need be.
        plugin: Where the dynamic security plugin is.
        port: TCP port on the loopback address.
        passwords: Password of each user; without one for :data:`SHARED` every device needs a key of its own.
        autosave_s: Seconds between two saves of the store.
        superuser: One of the users who may use every topic; for tests.
        listen: Address to listen on.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = accounts(passwords, superuser=superuser)
    files["mosquitto.conf"] = CONFIGURATION.substitute(
        listeners=f"listener {port} {listen}",
        folder=folder,
        data=folder,
        autosave_s=autosave_s,
        plugin=plugin,
    )
    if not (folder / CLIENTS).exists():
        files[CLIENTS] = NO_CLIENTS
    for name, text in files.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(text)
    hand_over([folder])


def accounts(passwords: Mapping[str, str], *, superuser: str | None = None) -> dict[str, str]:
    """The files ``acl`` and ``passwords``: who may log in, and which topics each may use."""
    access = (
        ACCESS
        + (SHARED_ACCESS if SHARED in passwords else "")
        + (EVERYTHING.format(user=superuser) if superuser else "")
    )
    return {"acl": access, "passwords": "".join(f"{user}:{_digest(word)}\n" for user, word in passwords.items())}


def command(tree: Tree, folder: Path) -> list[str]:
    """The command that runs the broker in the foreground."""
    return [*unprivileged(), str(tree.mosquitto), "-c", str(folder / "mosquitto.conf")]


def _digest(password: str) -> str:
    """The password as Mosquitto's password file keeps it: PBKDF2 with SHA-512, as ``mosquitto_passwd`` writes it."""
    rounds, salt = 101, secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds)
    return f"$7${rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"

"""The verbs of backups; each finds its site by itself, so that any command line can have them."""

import argparse
import asyncio
from datetime import UTC, datetime

from kaiser.local.backup.errors import BackupError
from kaiser.local.backup.making import Tools, make
from kaiser.local.backup.manifest import Manifest, read_manifest, whole
from kaiser.local.backup.restoring import restore, restore_secrets
from kaiser.local.backup.site import find_site
from kaiser.local.backup.verifying import problems, prune


def add(parser: argparse.ArgumentParser) -> None:
    """Add the verbs; each sets ``backup``, a function of the arguments that returns the exit code."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, function, words in (
        ("create", create, "make a backup of the site that runs, and verify it"),
        ("list", show, "which backups there are"),
        ("verify", verify, "read a backup and compare it with its manifest; exit code 1 if something is wrong"),
        ("restore", bring_back, "restore a backup into a site of which nothing runs but its servers"),
        ("secrets", unlock, "write the secrets of a backup where they were; before the servers are started"),
    ):
        verb = verbs.add_parser(name, help=words, description=f"{words[0].upper()}{words[1:]}.")
        verb.add_argument("target", nargs="?", help="folder, or s3://BUCKET/PREFIX; by default KAISER_BACKUP_TARGET")
        if function is create:
            verb.add_argument("--keep", type=_positive, help="take older backups away; by default all stay")
            verb.add_argument("--unverified", action="store_true", help="do not read it back")
        if function in (verify, bring_back, unlock):
            verb.add_argument("--id", help="which backup; by default the newest one")
        if function is bring_back:
            verb.add_argument("--stream", action="append", default=[], help="this stream alone, with all tables")
            verb.add_argument("--replicas", type=_positive, help="copies of each stream; by default as many as it had")
        verb.set_defaults(backup=function)


def create(arguments: argparse.Namespace) -> int:
    """Make one."""
    tools = _tools(arguments)
    manifest = asyncio.run(make(tools))
    print(f"backup {manifest.id} in {tools.store.where}")
    if not arguments.unverified and (code := _verified(tools, manifest)):
        return code
    if arguments.keep:
        for id_ in prune(tools.store, arguments.keep):
            print(f"taken away: {id_}")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """List them."""
    tools = _tools(arguments)
    print(f"{'id':<17} {'streams':>8} {'tables':>7} {'rows':>13} {'bytes':>15}  secrets")
    for id_ in whole(tools.store):
        manifest = read_manifest(tools.store, id_)
        rows, size = sum(table.rows for table in manifest.tables), sum(piece.size for piece in manifest.pieces())
        locked = "locked" if manifest.secrets else "none"
        print(f"{id_:<17} {len(manifest.streams):>8} {len(manifest.tables):>7} {rows:>13,} {size:>15,}  {locked}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check one."""
    tools = _tools(arguments)
    return _verified(tools, _chosen(tools, arguments))


def bring_back(arguments: argparse.Namespace) -> int:
    """Restore one."""
    tools = _tools(arguments)
    manifest = _chosen(tools, arguments)
    asyncio.run(restore(tools, manifest, only=arguments.stream, replicas=arguments.replicas))
    at = datetime.fromtimestamp(manifest.streams_at / 1e6, UTC).isoformat(timespec="seconds")
    print(f"restored {manifest.id}: everything up to {at}. Start the services; tables catch up by themselves.")
    return 0


def unlock(arguments: argparse.Namespace) -> int:
    """Restore secrets."""
    tools = _tools(arguments)
    print(f"{restore_secrets(tools, _chosen(tools, arguments))} secrets in {tools.site.secrets}")
    return 0


def _verified(tools: Tools, manifest: Manifest) -> int:
    found = list(problems(tools.store, manifest))
    print(f"{manifest.id}: {len(manifest.pieces())} pieces: {'NOT WHOLE' if found else 'whole'}")
    for problem in found:
        print(f"  {problem}")
    return int(bool(found))


def _chosen(tools: Tools, arguments: argparse.Namespace) -> Manifest:
    if arguments.id:
        return read_manifest(tools.store, arguments.id)
    found = whole(tools.store)
    if not found:
        raise BackupError(f"there is no whole backup in {tools.store.where}")
    return read_manifest(tools.store, found[-1])


def _tools(arguments: argparse.Namespace) -> Tools:
    site = find_site()
    return Tools(site, site.store(arguments.target), lambda line: print(f"  {line}", flush=True))


def _positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(word)

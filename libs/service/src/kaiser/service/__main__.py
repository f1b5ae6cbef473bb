"""``python -m kaiser.service migrate SERVICE``, ``describe SERVICE``, and ``rebuild``: what is done from outside."""

import asyncio
import sys

import msgspec

from kaiser.service.describing import describe
from kaiser.service.migrating import NotAServiceError, migrate_service, settings_from_environment
from kaiser.service.rebuilding import command
from kaiser.service.settings import SettingsError

USAGE = "usage: python -m kaiser.service {migrate,describe} SERVICE, or rebuild --help"


def main(words: list[str]) -> int:
    """Run one verb and return the exit code."""
    try:
        match words:
            case ["migrate", service]:
                asyncio.run(migrate_service(service, settings_from_environment()))
                return 0
            case ["describe", service]:
                print(msgspec.json.encode(describe(service)).decode())
                return 0
            case ["rebuild", *options]:
                return command.run(options)
    except (SettingsError, NotAServiceError) as error:
        print(f"{words[0]}: {error}", file=sys.stderr)
        return 2
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

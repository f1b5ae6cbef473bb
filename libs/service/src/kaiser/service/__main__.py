"""``python -m kaiser.service migrate SERVICE``, and ``describe SERVICE``."""

import asyncio
import sys

import msgspec

from kaiser.service.describing import describe
from kaiser.service.migrating import NotAServiceError, migrate_service, settings_from_environment
from kaiser.service.settings import SettingsError


def main(words: list[str]) -> int:
    """Run one verb and return the exit code."""
    if len(words) != 2 or words[0] not in {"migrate", "describe"}:
        print("usage: python -m kaiser.service {migrate,describe} SERVICE", file=sys.stderr)
        return 2
    verb, service = words
    try:
        if verb == "describe":
            print(msgspec.json.encode(describe(service)).decode())
        else:
            asyncio.run(migrate_service(service, settings_from_environment()))
    except (SettingsError, NotAServiceError) as error:
        print(f"{verb}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

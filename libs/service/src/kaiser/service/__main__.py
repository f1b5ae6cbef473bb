"""``python -m kaiser.service migrate SERVICE``."""

import asyncio
import sys

from kaiser.service.migrating import NotAServiceError, migrate_service, settings_from_environment
from kaiser.service.settings import SettingsError


def main(words: list[str]) -> int:
    """Run one verb and return the exit code."""
    if len(words) != 2 or words[0] != "migrate":
        print("usage: python -m kaiser.service migrate SERVICE", file=sys.stderr)
        return 2
    try:
        asyncio.run(migrate_service(words[1], settings_from_environment()))
    except (SettingsError, NotAServiceError) as error:
        print(f"migrate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

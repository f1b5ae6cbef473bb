"""The console: files that were built from ``clients/console``, beside the API that they use."""

from pathlib import Path
from typing import Final

from litestar import Router, get
from litestar.datastructures import CacheControlHeader
from litestar.response import File
from litestar.static_files import create_static_files_router

NAMED_BY_CONTENT: Final = CacheControlHeader(max_age=31_536_000, public=True, immutable=True)
ASKED_EACH_TIME: Final = CacheControlHeader(no_cache=True)


def console(folder: Path | None) -> list[Router]:
    """Routes of the console.

    Args:
        folder: Where it was built into; None for a gateway that has none.

    Raises:
        FileNotFoundError: There is no console in the folder.
    """
    if folder is None:
        return []
    page = folder / "index.html"
    if not page.is_file():
        raise FileNotFoundError(f"{page} is not there; build the console (clients/console/build.sh)")

    @get("/", cache_control=ASKED_EACH_TIME, include_in_schema=False, sync_to_thread=False)
    def index() -> File:
        return File(page, media_type="text/html", content_disposition_type="inline")

    @get("/icon.svg", cache_control=ASKED_EACH_TIME, include_in_schema=False, sync_to_thread=False)
    def icon() -> File:
        return File(folder / "icon.svg", media_type="image/svg+xml", content_disposition_type="inline")

    assets = create_static_files_router(
        path="/assets", directories=[folder / "assets"], cache_control=NAMED_BY_CONTENT, include_in_schema=False
    )
    return [Router("/", route_handlers=[index, icon]), assets]

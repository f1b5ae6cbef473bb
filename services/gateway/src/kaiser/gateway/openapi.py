"""The OpenAPI document as a file, for those who generate clients from it: ``contracts/openapi.json``.

    python -m kaiser.gateway.openapi generate|drift

What a gateway serves at ``/schema/openapi.json`` is the same document, and has examples of refusals as well.
"""

import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from litestar import Litestar
from litestar.exceptions.base_exceptions import LitestarDeprecationWarning

from kaiser.gateway.api.problems import MEDIA_TYPE
from kaiser.gateway.settings import GatewayOptions
from kaiser.gateway.web import Who, application

FILE: Final = Path("contracts/openapi.json")

_NOTHING: Any = None  # the document is about the routes, and nothing is behind them here


def document() -> dict[str, Any]:
    """The document of all routes, without a gateway that runs."""
    with warnings.catch_warnings():  # of litestar 3, which the gateway is not on
        warnings.simplefilter("ignore", LitestarDeprecationWarning)
        return _document(_application())


def _application() -> Litestar:
    serving: Any = SimpleNamespace(tickets=None, places=None, options=GatewayOptions())
    return application(
        event_log=_NOTHING,
        who=Who(_NOTHING, _NOTHING, _NOTHING, _NOTHING, _NOTHING),
        metrics=_NOTHING,
        serving=serving,
        names=_NOTHING,
        repeats=_NOTHING,
        letters=_NOTHING,
    )


def _document(app: Litestar) -> dict[str, Any]:
    plugin: Any = app.plugins.get("OpenAPIPlugin")  # litestar keeps its class to itself
    found: dict[str, Any] = plugin.provide_openapi_schema()
    return found


def text() -> str:
    """The file's content: sorted, so that a change shows as what it is."""
    found = document()
    for item in found["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                response.get("content", {}).get(MEDIA_TYPE, {}).pop("examples", None)
    return json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main(arguments: list[str]) -> int:
    """Write the file, or say whether it is what it would be.

    Returns:
        Exit code: 1 where it differs.
    """
    if arguments == ["generate"]:
        FILE.write_text(text(), encoding="utf-8")
        return 0
    if FILE.exists() and FILE.read_text(encoding="utf-8") == text():
        return 0
    sys.stderr.write(f"{FILE} is not what the routes say; run make contracts\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""OpenAPI 3.1 and its page, with Swagger UI from a wheel: nothing is loaded from elsewhere."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from litestar import Litestar
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme
from litestar.router import Router
from litestar.static_files import create_static_files_router

from kaiser.gateway.api import describing, parameters

ASSETS: Final = "/schema/assets"

CONFIG: Final = OpenAPIConfig(
    title="Kaiser",
    version="0.1.0",
    description="Fleets of ESP32 controllers. The live stream is the WebSocket `/ws`; see contracts/asyncapi.json.",
    path="/schema",
    use_handler_docstrings=True,
    components=Components(
        security_schemes={"bearer": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
    ),
    security=[{"bearer": []}],
    render_plugins=[
        SwaggerRenderPlugin(
            js_url=f"{ASSETS}/swagger-ui-bundle.js",
            css_url=f"{ASSETS}/swagger-ui.css",
            standalone_preset_js_url=f"{ASSETS}/swagger-ui-standalone-preset.js",
            favicon=f'<link rel="icon" href="{ASSETS}/favicon-32x32.png">',
            path="/swagger",
        ),
        JsonRenderPlugin(path="/openapi.json"),
    ],
)


def complete(app: Litestar) -> None:
    """Add to the document of an application what its handlers need not say themselves, and hold requests to it."""
    plugin: Any = app.plugins.get("OpenAPIPlugin")  # litestar keeps its class to itself
    app.state.parameters = parameters.of(describing.complete(plugin.provide_openapi_schema()))


def assets() -> Router:
    """Swagger UI's files, out of the swagger-ui-py package (which is not imported)."""
    spec = find_spec("swagger_ui")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("install swagger-ui-py, which carries the files of the API documentation")
    folder = Path(spec.submodule_search_locations[0]) / "static"
    return create_static_files_router(path=ASSETS, directories=[folder], include_in_schema=False)

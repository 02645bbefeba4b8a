"""The API description at /docs, with Swagger UI's files from this server and not from a CDN."""

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

router = APIRouter(include_in_schema=False)

DESCRIPTION = Path(__file__).with_name("description.md").read_text(encoding="utf-8")


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Swagger UI over /openapi.json."""
    return get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="PROMPTer",
        swagger_js_url="/docs/static/swagger-ui-bundle.js",
        swagger_css_url="/docs/static/swagger-ui.css",
        swagger_favicon_url="/docs/static/favicon.png",
    )


def mount_docs(app: FastAPI) -> None:
    """Serve /docs and the files it loads; fastapi-offline's wheel carries them."""
    app.include_router(router)
    app.mount(
        "/docs/static", StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-static"
    )

"""The web app at `/`, and the API description at `/docs` from local files."""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path

import anyio
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from app.api.diagram_frame import DIAGRAM_PAGE, DiagramFrame
from app.api.errors import answer_missing
from app.core.paths import WEB_APP, tell_how_to_build
from app.core.security import SECURITY_HEADERS
from app.core.theme_file import Theme

_HASHED_NAME = re.compile(r"-[\w-]{8}\.\w+$")
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_YEAR_S = 365 * 24 * 3600


def mount_web(app: FastAPI, theme: Theme | None = None) -> None:
    """Serve the web app with the operator's theme. A build that appears later is served without a restart."""
    built = WEB_APP
    sheet = ThemeSheet(theme) if theme else None
    missing = f"PROMPTer runs; there is no web app: {tell_how_to_build()}. The API is described at /docs."

    async def root(request: Request) -> Response:
        if not wants_html(request.headers.get("accept", "")):
            return JSONResponse({"status": "Chat API is running"}, headers={"Vary": "Accept"})
        headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
        page = anyio.Path(built / "index.html")
        try:
            content = await page.read_bytes()
            return HTMLResponse(sheet.add_to(content) if sheet else content, headers=headers)
        except OSError:
            return HTMLResponse(f"<!doctype html><title>PROMPTer</title><p>{missing}</p>", headers=headers)

    app.add_api_route("/", root, methods=["GET", "HEAD"], include_in_schema=False)
    app.mount("/assets", Assets(built / "assets", sheet), name="web")


def wants_html(accept: str) -> bool:
    """Whether an Accept header names `text/html`, as browsers do; the `*/*` of other programs does not count."""
    for entry in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        if kind == "text/html":
            return not any(re.fullmatch(r"q=0(\.0*)?", parameter) for parameter in parameters)
    return False


class ThemeSheet:
    """The style sheet of the operator's theme, and the link to it, which the page loads before it is painted."""

    def __init__(self, theme: Theme) -> None:
        self.name = f"theme-{theme.digest}.css"
        self.content = theme.make_style_sheet()
        theme_file = escape(theme.make_file(), quote=True)
        self._link = f'<link rel="stylesheet" href="/assets/{self.name}" data-theme="{theme_file}">'.encode()

    def add_to(self, page: bytes) -> bytes:
        """The page with the link, after its own style sheets."""
        return page.replace(b"</head>", self._link + b"</head>", 1)


class Files(StaticFiles):
    """The files of a folder. A socket is told that there is none; the base class would fail."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await answer_missing(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Assets(Files):
    """The files of the web app: compressed at build time, and cached for a year if the name contains a hash."""

    def __init__(self, folder: Path, sheet: ThemeSheet | None = None) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._folder = folder
        self._frame = DiagramFrame(folder)
        self._sheet = sheet

    async def check_config(self) -> None:
        """Answer 404 while the folder is missing; the base class would fail."""
        if not await anyio.Path(self._folder).is_dir():
            raise HTTPException(404)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file with its headers.

        Raises:
            HTTPException: there is no such file, or the method is neither GET nor HEAD.
        """
        if self._sheet and path == self._sheet.name and scope["method"] in ("GET", "HEAD"):
            response: Response = Response(self._sheet.content, media_type="text/css")
        else:
            response = await super().get_response(path, scope)
        if isinstance(response, FileResponse) and "gzip" in Headers(scope=scope).get("accept-encoding", ""):
            response = await self._compressed(response, path, scope)
        is_hashed = _HASHED_NAME.search(path)
        response.headers["Cache-Control"] = (
            f"public, max-age={_YEAR_S}, immutable" if is_hashed else "no-cache"
        )
        response.headers["Vary"] = "Accept-Encoding"
        if path.endswith(".woff2"):
            response.headers["Content-Type"] = "font/woff2"  # not every system's list of types has it
        if path == DIAGRAM_PAGE:
            response.headers.update(await self._frame.make_headers())
        return response

    async def _compressed(self, plain: FileResponse, path: str, scope: Scope) -> Response:
        try:
            smaller = await super().get_response(f"{path}.gz", scope)
        except HTTPException:
            return plain
        if isinstance(smaller, FileResponse):
            smaller.headers["Content-Type"] = plain.headers["Content-Type"]
            smaller.headers["Content-Encoding"] = "gzip"
        return smaller


router = APIRouter(include_in_schema=False)

DESCRIPTION = Path(__file__).with_name("description.md").read_text(encoding="utf-8")


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Swagger UI over /openapi.json."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title="PROMPTer",
        swagger_js_url="/docs/static/swagger-ui-bundle.js",
        swagger_css_url="/docs/static/swagger-ui.css",
        swagger_favicon_url="/docs/static/favicon.png",
    )
    page.headers["Content-Security-Policy"] = make_docs_policy(page.body)
    return page


def make_docs_policy(page: bytes | memoryview) -> str:
    """The policy of every answer, which also lets Swagger UI run: its one inline script, its styles and images."""
    scripts = [b64encode(sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(page)]
    allowed = "".join(f" 'sha256-{digest}'" for digest in scripts)
    return (
        f"{SECURITY_HEADERS['content-security-policy']}; script-src 'self'{allowed}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    )


def mount_docs(app: FastAPI) -> None:
    """Serve /docs and the files that it loads, from the wheel of fastapi-offline."""
    app.include_router(router)
    app.mount("/docs/static", Files(directory=str(files("fastapi_offline") / "static")), name="docs-static")

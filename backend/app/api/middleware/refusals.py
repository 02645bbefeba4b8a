"""What the network checks say to whom they refuse: a page to a person, JSON to programs, and which values differ."""

import html
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, Response
from starlette.types import Scope

from app.api.errors import make_error_response
from app.api.headers import choose_language
from app.api.web import wants_html
from app.core.errors import PrompterError
from app.core.security import ORIGIN_PARTS, make_origin

FOREIGN_PEER = "only this machine may connect while there are no accounts; see docs/deployment.md"
FOREIGN_HOST = "this name in the Host header is not allowed; add it to allowed_hosts (PROMPTER_ALLOWED_HOSTS)"
_PROXY = (
    "a proxy in front must pass on Host with its port, and X-Forwarded-Proto (see docs/deployment.md); "
    "a page of another site needs its origin in allowed_origins (PROMPTER_ALLOWED_ORIGINS)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalPage:
    """What a person is shown."""

    title: str
    what: str
    how: str
    typed: str
    """What to type or to set."""
    more: str


_PAGES = {
    (FOREIGN_HOST, "en"): RefusalPage(
        title="PROMPTer does not know this name",
        what="It runs, but the name in the address bar is not among those that it answers to.",
        how="If it is your server's name, set PROMPTER_ALLOWED_HOSTS to it, in .env or in the environment, without "
        "http:// and without the port, and start PROMPTer again. Commas separate several names:",
        typed="PROMPTER_ALLOWED_HOSTS=prompter.example",
        more="On the server's own machine http://localhost with the server's port works without this. If you do not "
        "know the name, close this page: another site may have sent you here.",
    ),
    (FOREIGN_HOST, "es"): RefusalPage(
        title="PROMPTer no conoce este nombre",
        what="El servidor funciona, pero el nombre de la barra de direcciones no está entre los que atiende.",
        how="Si es el nombre de tu servidor, escríbelo en PROMPTER_ALLOWED_HOSTS, en .env o en el entorno, sin http:// "
        "y sin el puerto, y vuelve a iniciar PROMPTer. Varios nombres se separan con comas:",
        typed="PROMPTER_ALLOWED_HOSTS=prompter.example",
        more="En la propia máquina del servidor, http://localhost con el puerto del servidor funciona sin esto. Si no "
        "conoces el nombre, cierra esta página: quizá te haya traído aquí otro sitio.",
    ),
    (FOREIGN_PEER, "en"): RefusalPage(
        title="PROMPTer accepts its own machine only",
        what="It runs without accounts, so it refuses other machines.",
        how="To let others in, add an administrator and turn accounts on, then start PROMPTer again:",
        typed="prompter users add NAME --admin\nPROMPTER_ACCOUNTS__MODE=accounts",
        more="docs/deployment.md describes this, certificates, and other ways.",
    ),
    (FOREIGN_PEER, "es"): RefusalPage(
        title="PROMPTer solo acepta su propia máquina",
        what="Funciona sin cuentas, así que rechaza a las demás máquinas.",
        how="Para admitir a otras personas, añade un administrador, activa las cuentas y vuelve a iniciar PROMPTer:",
        typed="prompter users add NOMBRE --admin\nPROMPTER_ACCOUNTS__MODE=accounts",
        more="docs/es/deployment.md describe esto, los certificados y otras formas.",
    ),
}
"""By the message of the refusal and the language."""


def explain_origin(origin: str, scheme: str, netloc: str, known_names: frozenset[str]) -> str:
    """Say why a page's origin is refused, and which two values differ.

    Only values with a name that this server knows are shown: a message repeats nothing else of a request.
    """
    page, server = (_show_known(each, known_names) for each in (origin, make_origin(scheme, netloc)))
    if page and server:
        return (
            f"this page is from {page!r} (Origin), but it reached the server as {server!r} (Host): {_PROXY}"
        )
    if server:
        return f"this web origin is not allowed: the header Origin differs from {server!r} (Host): {_PROXY}"
    return f"this web origin is not allowed: the headers Origin and Host differ: {_PROXY}"


def make_refusal(refusal: PrompterError, scope: Scope) -> Response:
    """Return the answer to a refused request: a page for a browser that opens one, JSON for all others."""
    headers = Headers(scope=scope)
    language = choose_language(headers.get("accept-language", ""))
    page = _PAGES.get((refusal.message, language))
    if page and scope["method"] in ("GET", "HEAD") and wants_html(headers.get("accept", "")):
        response: Response = HTMLResponse(_render(language, page), status_code=refusal.status)
        response.headers["Vary"] = "Accept, Accept-Language"
        return response
    return make_error_response(refusal, scope)


def _render(language: str, page: RefusalPage) -> str:
    """The page as HTML. It shows nothing of the request: the name in it may be an attacker's."""
    what, how, typed, more = (html.escape(text) for text in (page.what, page.how, page.typed, page.more))
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{page.title}</title>'
        f"<h1>{page.title}</h1><p>{what}</p><p>{how}</p><pre>{typed}</pre><p>{more}</p></html>"
    )


def _show_known(origin: str, known_names: frozenset[str]) -> str:
    """The origin, made anew of its parts, if it is an address of the web with a known name; else nothing."""
    match = ORIGIN_PARTS.fullmatch(origin.lower())
    if match is None or match["scheme"] not in ("http", "https"):
        return ""
    name = match["name"].strip("[]")
    return match[0] if name in known_names else ""

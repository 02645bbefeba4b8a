"""`prompter serve`: bind, run the application under uvicorn, at Ctrl-C tell what was said, then end."""

import os
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import FAILED, OK, REFUSED, USAGE, CommandError, leave
from app.cli.listening import bind

if TYPE_CHECKING:
    from app.core.config import Settings

SHUTDOWN_S = 1
PING_S = 1.0
"""A client that is held back sends nothing that could tell that it is gone; a write does, within this time."""
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on; PROMPTER_HOST if left out.")]
Port = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Port; PROMPTER_PORT if left out; 0 picks one.")
]


def serve(
    host: Host = None,
    port: Port = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow other machines, although there are no accounts.")
    ] = False,
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", help="Certificate (PEM), for https; `prompter tls` makes one."),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Its key (PEM).")] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when the code changes.")] = False,
) -> None:
    """Start the server.

    It listens on this machine alone unless there are accounts, or --insecure says otherwise; it never downloads
    anything.
    """
    from app.cli.settings import read_settings
    from app.core.security import is_loopback

    changes: dict[str, Any] = {
        "host": host,
        "port": port,
        "insecure": insecure or None,
        "tls_cert": tls_cert and str(tls_cert.absolute()),
        "tls_key": tls_key and str(tls_key.absolute()),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    settings = read_settings().model_copy(update=given)
    open_to_all = settings.accounts.mode == "none" and not settings.insecure
    if open_to_all and not is_loopback(settings.host):
        raise CommandError(
            f"{settings.host!r} lets other machines in, and there are no accounts to keep strangers out; "
            "listen on 127.0.0.1, set PROMPTER_ACCOUNTS__MODE=accounts, or say --insecure "
            "(PROMPTER_INSECURE=true) if you trust the whole network",
            REFUSED,
        )
    _check_tls(settings)
    listener = bind(settings.host, settings.port)
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    # The application reads its settings itself, also in the processes that --reload starts.
    for name in ("host", "port", "insecure", "tls_cert", "tls_key"):
        os.environ[f"PROMPTER_{name.upper()}"] = str(getattr(settings, name))
    try:
        _run(settings, listener, reload)
    except KeyboardInterrupt:
        pass  # Ctrl-C is how one ends it
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else FAILED)
    leave(OK)


def _check_tls(settings: "Settings") -> None:
    """
    Raises:
        CommandError: the certificate or its key is missing, or they do not belong together.
    """
    import ssl

    if not settings.tls_cert and not settings.tls_key:
        return
    if not settings.tls_cert or not settings.tls_key:
        raise CommandError(
            "a certificate needs its key, and a key its certificate: --tls-cert and --tls-key", USAGE
        )
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_cert, settings.tls_key
        )
    except OSError as error:  # the errors of TLS are a kind of these
        reason = (getattr(error, "reason", None) or error.strerror or "not PEM").lower().replace("_", " ")
        raise CommandError(
            f"{settings.tls_cert!r} and {settings.tls_key!r} cannot be used ({reason}); "
            "expected a certificate and its own key, both PEM; `prompter tls` makes a pair"
        ) from error


def _run(settings: "Settings", listener: socket.socket, reload: bool) -> None:
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import ChangeReload

    from app.cli.announcing import AnnouncingServer

    config = uvicorn.Config(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        **uvicorn_options(settings),
        reload=reload,
        reload_dirs=[str(Path(__file__).parents[1])] if reload else None,
    )
    server = AnnouncingServer(config, settings)
    signal.signal(signal.SIGTERM, _end_cleanly)
    if reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
        return
    try:
        server.run(sockets=[listener])
    except SystemExit as end:
        # uvicorn's own code for a start that failed, which has been told, means something else here.
        raise SystemExit(REFUSED if end.code == STARTUP_FAILURE else end.code) from None


def uvicorn_options(settings: "Settings") -> dict[str, Any]:
    """How uvicorn is to serve the application; tests serve with the same."""
    from app.cli.http_protocol import BoundedHttpProtocol

    limits = settings.limits
    return {
        "http": partial(BoundedHttpProtocol, header_bytes=limits.header_bytes, header_s=limits.request_s),
        "ws": "websockets-sansio",
        # Pings find out who is gone. Nobody has to answer: one under back-pressure cannot, and is well all the same.
        "ws_ping_interval": PING_S,
        "ws_ping_timeout": None,
        "ws_max_size": 2 * limits.message_bytes,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": SHUTDOWN_S,
        # Query strings may hold what is private; failures are logged by the application.
        "access_log": False,
        "log_config": None,
        "log_level": "warning",
        "server_header": False,
        "ssl_certfile": settings.tls_cert or None,
        "ssl_keyfile": settings.tls_key or None,
    }


def _end_cleanly(_signal: int, _frame: object) -> None:
    """uvicorn raises the signal again once it has shut down; that must not look like a crash."""
    raise SystemExit(0)

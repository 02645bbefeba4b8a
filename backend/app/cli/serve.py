"""`prompter serve`: binds the port, and runs the application under uvicorn until Ctrl-C."""

import errno
import os
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import FAILED, OK, REFUSED, USAGE, CommandError, exit_now, log_refusal, read_settings
from app.cli.listeners import list_listeners

if TYPE_CHECKING:
    from app.core.config import Settings


RECEIVE_BUFFER_BYTES = 256 * 1024
"""Receive buffer of a connection. Under back-pressure a client's later messages, its `stop` and its closing included,
wait behind what is buffered here and on the client's machine; a small buffer keeps that wait short."""

UNREAD_TIMEOUT_MS = 30_000
"""How long the system keeps a connection whose client acknowledges nothing; uvicorn alone would wait for ever."""

SHUTDOWN_TIMEOUT_S = 1
PING_INTERVAL_S = 1.0
"""Time between pings. A client under back-pressure sends nothing that shows it is gone; a write to it does."""
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
    tls_key: Annotated[Path | None, typer.Option("--tls-key", help="Key of the certificate (PEM).")] = None,
    wyoming: Annotated[
        str | None,
        typer.Option(
            "--wyoming", help="Also speak the Wyoming protocol (Home Assistant), as at tcp://127.0.0.1:10300."
        ),
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when the code changes.")] = False,
) -> None:
    """Start the server.

    It listens on this machine alone unless there are accounts or --insecure is given. It downloads
    nothing unless an administrator asks for weights in the page.
    """
    if wyoming is not None:
        os.environ["PROMPTER_WYOMING__URI"] = wyoming
    changes: dict[str, Any] = {
        "host": host,
        "port": port,
        "insecure": insecure or None,
        "tls_cert": tls_cert and str(tls_cert.absolute()),
        "tls_key": tls_key and str(tls_key.absolute()),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    settings = read_settings().model_copy(update=given)
    try:
        _check_access(settings)
        _check_tls(settings)
        _check_theme(settings)
        _check_decode(settings)
        listener = bind_listener(settings.host, settings.port)
    except CommandError as error:
        if settings.log_format != "json":
            raise
        raise typer.Exit(log_refusal(settings, error)) from error
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    # The application reads its settings from the environment, also in the processes that --reload starts.
    for name in ("host", "port", "insecure", "tls_cert", "tls_key"):
        os.environ[f"PROMPTER_{name.upper()}"] = str(getattr(settings, name))
    try:
        _run(settings, listener, reload)
    except KeyboardInterrupt:
        pass  # Ctrl-C is the usual end
    except SystemExit as end:
        exit_now(end.code if isinstance(end.code, int) else FAILED)
    exit_now(OK)


def _check_access(settings: "Settings") -> None:
    """Check that nobody is let in by mistake.

    Raises:
        CommandError: other machines could connect, and there are no accounts.
    """
    from app.core.security import is_loopback

    open_to_all = settings.accounts.mode == "none" and not settings.insecure
    if open_to_all and not is_loopback(settings.host):
        raise CommandError(
            f"{settings.host!r} lets other machines in, and there are no accounts to keep strangers out; "
            "listen on 127.0.0.1, set PROMPTER_ACCOUNTS__MODE=accounts, or say --insecure "
            "(PROMPTER_INSECURE=true) if you trust the whole network",
            REFUSED,
        )
    if open_to_all and settings.wyoming.uri and not is_loopback(settings.wyoming.address[0]):
        raise CommandError(
            "--wyoming lets other machines in, and there are no accounts to keep strangers out; listen on 127.0.0.1, "
            "set PROMPTER_ACCOUNTS__MODE=accounts and PROMPTER_WYOMING__USER, or say --insecure",
            REFUSED,
        )


def _check_tls(settings: "Settings") -> None:
    """Check that certificate and key can be used.

    Raises:
        CommandError: one of them is missing, or they do not belong together.
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
    except OSError as error:  # ssl.SSLError is an OSError
        reason = (getattr(error, "reason", None) or error.strerror or "not PEM").lower().replace("_", " ")
        raise CommandError(
            f"{settings.tls_cert!r} and {settings.tls_key!r} cannot be used ({reason}); "
            "expected a certificate and its own key, both PEM; `prompter tls` makes a pair"
        ) from error


def _check_theme(settings: "Settings") -> None:
    """Check that the theme file can be used.

    Raises:
        CommandError: it cannot; the message names the token or the line.
    """
    from app.core.theme_file import ThemeFileError, load_theme

    if not settings.web.theme:
        return
    try:
        load_theme(Path(settings.web.theme))
    except ThemeFileError as error:
        raise CommandError(
            f"PROMPTER_WEB__THEME: {settings.web.theme!r} cannot be used: {error}; docs/themes.md has all tokens"
        ) from error


def _check_decode(settings: "Settings") -> None:
    """Check that decode workers are reached in a way that keeps strangers out.

    Raises:
        CommandError: they are not.
    """
    from app.core.security import tell_open_ray

    if settings.decode.tier != "ray":
        return
    if advice := tell_open_ray(os.environ, is_trusted=settings.decode.trusted_network):
        raise CommandError(advice, REFUSED)


def bind_listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens on host and port.

    Raises:
        CommandError: the port is in use or not permitted, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CommandError(f"{host!r} is no address of this machine; expected one like 127.0.0.1") from error
    # A name such as localhost may have two addresses; most clients try 127.0.0.1.
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    if os.name == "posix":
        # A restart can take the port that the last run has just left. On Windows the option would share a live port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
    try:
        listener.bind(address)
        # With SO_REUSEADDR two sockets can be bound to one port, but only one of them can listen.
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise CommandError(_explain_bind_error(error, host, port)) from error
    return listener


def _explain_bind_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        programs = [listener.program for listener in list_listeners(port) if listener.program]
        by = f" by {programs[0]}" if programs else ""
        return (
            f"port {port} is in use{by}; end that program, or choose another port: "
            f"make run PORT={port + 1} (prompter serve --port {port + 1})"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than you have; choose one from 1024 up, such as 8000"
    reason = (error.strerror or "no such address").lower()
    return f"cannot listen on {host!r}: {reason}; expected an address of this machine"


def _run(settings: "Settings", listener: socket.socket, reload: bool) -> None:
    import uvicorn
    from uvicorn.config import STARTUP_FAILURE
    from uvicorn.supervisors import ChangeReload

    from app.cli.uvicorn_server import AnnouncingServer

    config = uvicorn.Config(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        **make_uvicorn_options(settings),
        reload=reload,
        reload_dirs=[str(Path(__file__).parents[1])] if reload else None,
    )
    server = AnnouncingServer(config, settings)
    signal.signal(signal.SIGTERM, _exit_on_sigterm)
    if reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
        return
    try:
        server.run(sockets=[listener])
    except SystemExit as end:
        # uvicorn has reported the failed start; its exit code means something else here.
        raise SystemExit(REFUSED if end.code == STARTUP_FAILURE else end.code) from None


def make_uvicorn_options(settings: "Settings") -> dict[str, Any]:
    """Return the options with which uvicorn serves the application; tests use the same."""
    from app.cli.uvicorn_server import BoundedHttpProtocol, LargeMessageGate, ProbingWebSocketProtocol

    limits = settings.limits
    return {
        "http": partial(BoundedHttpProtocol, header_bytes=limits.header_bytes, header_s=limits.request_s),
        "ws": partial(ProbingWebSocketProtocol, gate=LargeMessageGate(limits.large_messages)),
        # Pings find clients that are gone. They need no answer: a healthy client under back-pressure cannot answer.
        # An answer tells a silent client from a lost line.
        "ws_ping_interval": PING_INTERVAL_S,
        "ws_ping_timeout": None,
        "ws_max_size": 2 * limits.message_bytes,
        "ws_per_message_deflate": False,
        "timeout_graceful_shutdown": SHUTDOWN_TIMEOUT_S,
        # Query strings may hold private data; the application logs failures.
        "access_log": False,
        "log_config": None,
        "log_level": "warning",
        "server_header": False,
        "ssl_certfile": settings.tls_cert or None,
        "ssl_keyfile": settings.tls_key or None,
    }


def _exit_on_sigterm(_signal: int, _frame: object) -> None:
    """Exit with 0: uvicorn raises SIGTERM again after its shutdown, which must not look like a crash."""
    raise SystemExit(0)

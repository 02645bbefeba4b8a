"""`prompter serve`: bind, run the application under uvicorn, at Ctrl-C tell what was said, then end."""

import errno
import os
import signal
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import FAILED, OK, REFUSED, USAGE, CommandError, leave

if TYPE_CHECKING:
    from app.core.config import Settings


RECEIVE_BUFFER_BYTES = 256 * 1024
"""What the system here may hold of a client that is held back; the client's own machine may hold as much again and
more, so that its pings, its `stop` and its leaving still wait behind what it has sent."""

UNREAD_MS = 30_000
"""How long the system keeps a connection whose client takes nothing; uvicorn itself would wait for it for ever."""


def bind(host: str, port: int) -> socket.socket:
    """A bound socket that is not listening yet.

    Raises:
        CommandError: the port is in use, not permitted, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise CommandError(f"{host!r} is no address of this machine; expected one like 127.0.0.1") from error
    # A name such as localhost may stand for two addresses; most clients try 127.0.0.1.
    family, kind, protocol, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    if os.name == "posix":
        # Lets a restart take the port that the last run has just left; on Windows it would share a live one.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
    try:
        listener.bind(address)
        # Two sockets with SO_REUSEADDR may be bound to one port; only one of them may listen.
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        raise CommandError(_why_not(error, host, port)) from error
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        user = _user_of(port)
        by = f" by {user}" if user else ""
        return (
            f"port {port} is in use{by}; end that program, or choose another port: "
            f"make run PORT={port + 1} (prompter serve --port {port + 1})"
        )
    if error.errno == errno.EACCES:
        return f"port {port} needs more rights than you have; choose one from 1024 up, such as 8000"
    reason = (error.strerror or "no such address").lower()
    return f"cannot listen on {host!r}: {reason}; expected an address of this machine"


def _user_of(port: int) -> str:
    """ "name (pid n)" of the program that listens on the port, where the system tells (Linux, own ones)."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    for folder in Path("/proc").glob("[0-9]*/fd") if sockets else ():
        with suppress(OSError):
            if any(str(entry.readlink()) in sockets for entry in folder.iterdir()):
                name = (folder.parent / "comm").read_text().strip()
                return f"{name} (pid {folder.parent.name})"
    return ""


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
    from app.cli.common import read_settings
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

    from app.cli.server import AnnouncingServer

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
    from app.cli.server import BoundedHttpProtocol

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

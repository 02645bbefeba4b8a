"""The listening socket: bound before anything heavy starts, so that a port in use is told at once."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

from app.cli.common import CommandError

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

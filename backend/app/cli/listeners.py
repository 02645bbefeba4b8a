"""Which programs listen on which ports of this machine, as far as Linux tells this user."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

_LISTENING = "0A"
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening socket."""

    address: str
    port: int
    program: str
    """"name (pid n)"; empty where the system does not say, as for programs of other users."""

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}" + (f" ({self.program})" if self.program else "")


def list_listeners(*ports: int) -> list[Listener]:
    """Return who listens on these ports; nothing on a system without /proc."""
    found = {inode: place for inode, place in _read_tables() if place[1] in ports}
    programs = _find_programs(set(found)) if found else {}
    return [
        Listener(address=address, port=port, program=programs.get(inode, ""))
        for inode, (address, port) in found.items()
    ]


def list_listeners_of(*names: str) -> list[Listener]:
    """Return where programs listen whose names begin so, as far as Linux tells this user."""
    places = dict(_read_tables())
    return [
        Listener(address=places[inode][0], port=places[inode][1], program=program)
        for inode, program in _find_programs(set(places)).items()
        if program.startswith(names)
    ]


def _read_tables() -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield the inode, address and port of every listening socket."""
    for table in _TABLES:
        with suppress(OSError):
            for line in table.read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING:
                    address, _, port = fields[1].rpartition(":")
                    yield fields[9], (decode_address(address), int(port, 16))


def decode_address(text: str) -> str:
    """Read an address as the kernel writes it: words of 32 bits in the machine's byte order, in hexadecimal."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    return socket.inet_ntoa(packed) if len(packed) == 4 else str(IPv6Address(packed))


def _find_programs(inodes: set[str]) -> dict[str, str]:
    """Return the program of each socket. Linux says so for the programs of the same user, and to root for all."""
    names = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, str] = {}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            for entry in folder.iterdir():
                if inode := names.get(str(entry.readlink())):
                    name = (folder.parent / "comm").read_text(encoding="utf-8", errors="replace").strip()
                    found.setdefault(inode, f"{name} (pid {folder.parent.name})")
    return found

"""Checks of the decode workers: who can reach the Ray cluster, whether it answers, and what of it listens where."""

import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby

from app.cli.doctor.findings import Finding, report_ok, report_problem, report_warning
from app.cli.listeners import Listener, list_listeners_of
from app.core.config import Settings
from app.core.security import is_loopback, tell_open_ray

ANSWER_S = 5.0
"""How long the head of the cluster may take to accept a connection (s)."""
_PROGRAMS = ("raylet", "gcs_server", "ray::")


def check_tier(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check what decode workers need; nothing where this process decodes by itself."""
    decode = settings.decode
    if decode.tier != "ray":
        return
    if advice := tell_open_ray(environ, is_trusted=decode.trusted_network):
        reason, _, way_out = advice.partition(": ")
        yield report_problem("decode workers", f"{reason}; the server refuses to start", way_out)
    elif decode.trusted_network and not environ.get("RAY_AUTH_MODE"):
        yield report_warning(
            "decode workers",
            "the network alone keeps strangers from the Ray cluster (PROMPTER_DECODE__TRUSTED_NETWORK)",
            "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN on all machines, or check the firewall",
        )
    yield check_head(decode.address)
    yield from check_ray_ports(list_listeners_of(*_PROGRAMS))


def check_head(address: str) -> Finding:
    """Check that somebody answers at the address of the cluster."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return report_problem(
            "decode workers",
            "PROMPTER_DECODE__ADDRESS is no address",
            "write it as host:port, such as 10.0.0.1:6399",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), ANSWER_S).close()
    except (OSError, OverflowError, UnicodeError):  # the last one: no name of a host looks so
        return report_problem(
            "decode workers",
            f"nobody answers at {address}",
            f"run `ray start --head --port={port}` there, and let this machine reach it",
        )
    return report_ok("decode workers", f"the head of the Ray cluster answers at {address}")


def check_ray_ports(listeners: list[Listener]) -> Iterator[Finding]:
    """Tell where Ray listens on this machine: it takes all addresses, whatever it is told."""
    if not listeners:
        yield report_ok("ray ports", "no Ray runs on this machine yet")
        return
    rows = sorted(listeners, key=lambda each: (each.program, each.port))
    told = [
        f"{program} at {', '.join(str(replace(each, program='')) for each in group)}"
        for program, group in groupby(rows, key=lambda each: each.program)
    ]
    where = (
        "this machine alone" if all(is_loopback(each.address) for each in rows) else "other machines reach"
    )
    yield report_ok("ray ports", f"{where}: {'; '.join(told)}")

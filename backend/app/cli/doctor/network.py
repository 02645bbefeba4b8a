"""Checks of the network: the ports, the server that runs, who is let in, certificates, and the proxy in front."""

import errno
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.cli.doctor.findings import Finding, report_ok, report_problem, report_warning
from app.cli.listeners import list_listeners
from app.core.config import Settings
from app.core.security import LOOPBACK_NAMES, is_loopback

if TYPE_CHECKING:
    from cryptography import x509

ANSWER_S = 5.0
"""How long a server that listens may take to answer (s)."""
RENEW_BEFORE = timedelta(days=14)
EVERYBODY = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
PROXIES_VARIABLE = "FORWARDED_ALLOW_IPS"
"""uvicorn's: the proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` count, 127.0.0.1 if it is not set."""


def check_network(settings: Settings, environ: Mapping[str, str], now: datetime) -> Iterator[Finding]:
    """Check ports, access, certificate and proxy."""
    found = list(check_server(settings))
    yield from found
    if settings.wyoming.uri:
        yield check_wyoming(settings, is_running=len(found) > 1)
    yield from check_access(settings)
    yield from check_certificate(settings, now)
    yield from check_proxy(settings, environ)


# -- ports


def check_server(settings: Settings) -> Iterator[Finding]:
    """Check the port of the server: free, or a PROMPTer answers there, and what it says of itself."""
    if settings.port == 0:
        yield report_ok("port", "the server takes a free port (PROMPTER_PORT=0)")
        return
    status, ready = ask_server(settings)
    if status is None:
        yield check_port("port", settings.host, settings.port)
        return
    heard = ", ".join(map(str, list_listeners(settings.port))) or f"port {settings.port}"
    yield report_ok("port", f"a PROMPTer server answers at {heard}")
    if ready == "ready":
        yield report_ok("server", "it is ready")
    elif ready == "loading":
        yield report_warning("server", "it loads its speech engine", "wait, and ask again")
    else:
        yield report_problem("server", ready, _advise_server(ready))


def _advise_server(problems: str) -> str:
    """What to do about a server that is not ready: workers that come are used by a server that runs."""
    if problems.startswith("decode workers: "):
        return "see what `prompter worker` says on the machines that decode; the server needs no restart"
    return "restart it when the cause is gone; its log has the place"


def check_wyoming(settings: Settings, *, is_running: bool) -> Finding:
    """Check the port of the Wyoming protocol, and whose dictations arrive there."""
    host, port = settings.wyoming.address
    if settings.accounts.mode == "accounts" and not settings.wyoming.user:
        return report_problem(
            "wyoming",
            "the protocol has no log-in, and no user is named: the server refuses to start",
            "set PROMPTER_WYOMING__USER",
        )
    if settings.accounts.mode == "none" and not settings.insecure and not is_loopback(host):
        return report_problem(
            "wyoming",
            f"{host} lets other machines in, and there are no accounts: the server refuses to start",
            "set PROMPTER_ACCOUNTS__MODE=accounts and PROMPTER_WYOMING__USER",
        )
    heard = list_listeners(port)
    if is_running and heard:
        return report_ok("wyoming", f"it is spoken at {', '.join(map(str, heard))}")
    return check_port("wyoming", host, port)


def check_port(check: str, host: str, port: int) -> Finding:
    """Check that a port can be listened on; otherwise say who listens there."""
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        _try_to_listen(host, port)
    except OSError as error:
        return _explain_port(check, name, port, error)
    return report_ok(check, f"{name} is free")


def _try_to_listen(host: str, port: int) -> None:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        probe.listen(1)


def _explain_port(check: str, name: str, port: int, error: OSError) -> Finding:
    setting = "PROMPTER_WYOMING__URI" if check == "wyoming" else "PROMPTER_PORT"
    if error.errno == errno.EADDRINUSE:
        users = ", ".join(map(str, list_listeners(port))) or "a program that the system does not name"
        return report_problem(
            check, f"{name} is in use by {users}", f"end that program, or set {setting} to another port"
        )
    if error.errno == errno.EACCES:
        advice = f"set {setting} to a port from 1024 up, and put a reverse proxy in front"
        return report_problem(check, f"{name} needs more rights than this user has", advice)
    reason = (error.strerror or type(error).__name__).lower()
    host = "PROMPTER_WYOMING__URI" if check == "wyoming" else "PROMPTER_HOST"
    return report_problem(
        check, f"{name} cannot be listened on: {reason}", f"set {host} to an address of this machine"
    )


def ask_server(settings: Settings) -> tuple[int | None, str]:
    """Ask the server at the settings' address for its health: status of `/health`, and how ready it says it is.

    The status is None where no PROMPTer answers.
    """
    host = "127.0.0.1" if settings.host in EVERYBODY else settings.host
    try:
        status, health = _get(host, settings, "/health")
        if status != 200 or health.get("status") != "ok":
            return None, ""
        _, ready = _get(host, settings, "/health/ready")
    except (OSError, HTTPException, ValueError):
        return None, ""
    problems = "; ".join(map(str, ready.get("problems") or ()))
    return status, problems or str(ready.get("status"))


def _get(host: str, settings: Settings, path: str) -> tuple[int, dict[str, Any]]:
    if settings.tls_cert:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the certificate has a check of its own; nothing secret is sent
        connection: HTTPConnection = HTTPSConnection(host, settings.port, timeout=ANSWER_S, context=context)
    else:
        connection = HTTPConnection(host, settings.port, timeout=ANSWER_S)
    with closing(connection):
        connection.request("GET", path, headers={"Host": f"127.0.0.1:{settings.port}"})
        answer = connection.getresponse()
        found = json.loads(answer.read(1 << 16))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return answer.status, found


# -- access


def check_access(settings: Settings) -> Iterator[Finding]:
    """Check that no stranger is let in, and that no password travels in the clear."""
    is_local = is_loopback(settings.host)
    with_accounts = settings.accounts.mode == "accounts"
    if is_local:
        who = "everybody logs in" if with_accounts else "this machine alone is let in, without log-in"
        yield report_ok("access", f"{who} ({settings.host})")
    elif not with_accounts and not settings.insecure:
        yield report_problem(
            "access",
            f"{settings.host} lets other machines in, and there are no accounts: the server refuses to start",
            "set PROMPTER_ACCOUNTS__MODE=accounts, or PROMPTER_HOST=127.0.0.1",
        )
    elif not with_accounts:
        yield report_warning(
            "access",
            "anybody in the network can use this server (PROMPTER_INSECURE)",
            "set PROMPTER_ACCOUNTS__MODE=accounts",
        )
    elif not settings.tls_cert:
        yield report_warning(
            "access",
            f"{settings.host} without a certificate: passwords travel in the clear, and browsers give no microphone",
            "run `prompter tls` and set PROMPTER_TLS_CERT and PROMPTER_TLS_KEY, or let only a reverse proxy with "
            "https reach this port",
        )
    else:
        yield report_ok("access", "everybody logs in, over https")


# -- the certificate


def check_certificate(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Check that certificate and key fit, that they are valid now, and that they name the server."""
    if not settings.tls_cert and not settings.tls_key:
        return
    if not settings.tls_cert or not settings.tls_key:
        yield report_problem(
            "certificate",
            "a certificate without a key, or a key without a certificate",
            "set both PROMPTER_TLS_CERT and PROMPTER_TLS_KEY",
        )
        return
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
        certificate = _read_certificate(Path(settings.tls_cert))
    except (OSError, ValueError) as error:
        reason = (getattr(error, "reason", None) or getattr(error, "strerror", None) or "not PEM").lower()
        yield report_problem(
            "certificate",
            f"{settings.tls_cert} and its key cannot be used: {reason.replace('_', ' ')}",
            "name a certificate and its own key, both PEM and readable by the server; `prompter tls` makes a pair",
        )
        return
    yield _check_validity(settings, certificate, now)
    yield from _check_names(settings, certificate)


def _read_certificate(path: Path) -> "x509.Certificate":
    from cryptography import x509

    return x509.load_pem_x509_certificate(path.read_bytes())


def _check_validity(settings: Settings, certificate: "x509.Certificate", now: datetime) -> Finding:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    is_own = certificate.issuer == certificate.subject
    renew = "run `prompter tls --force`" if is_own else "renew it where it comes from"
    renew += ", then restart the server"
    if now > ends:
        return report_problem("certificate", f"{settings.tls_cert} expired on {ends:%Y-%m-%d}", renew)
    if now < begins:
        return report_problem(
            "certificate",
            f"{settings.tls_cert} is valid from {begins:%Y-%m-%d} on, and this machine's clock says {now:%Y-%m-%d}",
            "set the clock, or get another certificate",
        )
    days = (ends - now).days
    if ends - now < RENEW_BEFORE:
        return report_warning("certificate", f"{settings.tls_cert} expires in {days} days", renew)
    return report_ok("certificate", f"{settings.tls_cert} is valid until {ends:%Y-%m-%d} ({days} days)")


def _check_names(settings: Settings, certificate: "x509.Certificate") -> Iterator[Finding]:
    """Check that it names each host that the server answers to."""
    missing = [name for name in settings.allowed_hosts if not _is_named(name, certificate)]
    if missing:
        yield report_warning(
            "certificate",
            f"{settings.tls_cert} does not name {', '.join(missing)} (PROMPTER_ALLOWED_HOSTS): browsers refuse it "
            "there",
            f"run `prompter tls --force {' '.join(missing)}`, or get a certificate that names them",
        )


def _is_named(name: str, certificate: "x509.Certificate") -> bool:
    from cryptography import x509

    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    names = {each.lower() for each in extension.value.get_values_for_type(x509.DNSName)}
    names |= {str(each) for each in extension.value.get_values_for_type(x509.IPAddress)}
    return name in names or f"*.{name.partition('.')[2]}" in names


# -- the proxy in front


def check_proxy(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Check what a reverse proxy needs: a name that is admitted, and trust in its headers that nobody else has."""
    trusted = environ.get(PROXIES_VARIABLE, "")
    if "*" in trusted.split(",") and not is_loopback(settings.host):
        yield report_warning(
            "proxy",
            f"every client is believed what it says of its address ({PROXIES_VARIABLE}=*): limits of log-ins can be "
            "evaded",
            f"set {PROXIES_VARIABLE} to the addresses of the proxies, or let nobody else reach port {settings.port}",
        )
    elif trusted:
        yield report_ok("proxy", f"headers of these proxies are believed: {trusted}")
    names = sorted(set(settings.allowed_hosts) - LOOPBACK_NAMES)
    if names:
        yield report_ok("proxy", f"the server answers to {', '.join(names)}")
    elif settings.accounts.mode == "accounts" and is_loopback(settings.host):
        yield report_warning(
            "proxy",
            "the server listens on this machine alone and answers to no public name: behind a reverse proxy it "
            "refuses everybody",
            "set PROMPTER_ALLOWED_HOSTS to the name in the address of the page, such as prompter.example",
        )

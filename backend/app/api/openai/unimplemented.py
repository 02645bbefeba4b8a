"""What a client hears whose path is not one of ours: what is not implemented, or where /v1 is missing; pure."""

_BESIDE_V1 = ("/chat/completions", "/models", "/audio/transcriptions", "/audio/models", "/completions",
              "/embeddings", "/responses")  # fmt: skip
_INSTEAD = {
    "responses": "use POST /v1/chat/completions; most clients have a setting for it",
    "completions": "use POST /v1/chat/completions",
    "embeddings": "ask the service that computes them directly",
    "audio": "of audio there is POST /v1/audio/transcriptions",
    "v1": "the base URL has /v1 twice; give it once",
}
_OTHERWISE = "there are GET /v1/models, POST /v1/chat/completions and POST /v1/audio/transcriptions"

_OTHERS = frozenset({
    "assistants", "batches", "chat", "conversations", "evals", "files", "fine_tuning", "images", "live", "moderations",
    "models", "organization", "realtime", "threads", "uploads", "vector_stores", "videos",
})  # fmt: skip
"""Further parts of OpenAI's API, so that their name can be told."""


def under_v1(path: str) -> bool:
    """Whether a path belongs to OpenAI's API, so that its errors have OpenAI's shape."""
    return path == "/v1" or path.startswith("/v1/")


def why_not_here(method: str, path: str) -> str | None:
    """Why nothing is at this path, where there is more to say than that."""
    if under_v1(path):
        first, _, rest = path.removeprefix("/v1").lstrip("/").partition("/")
        known = first in _INSTEAD or first in _OTHERS
        # Only words of ours are repeated, never what was sent.
        shown = f"{method} /v1/{first}" if known else "this path under /v1"
        if known and rest:
            shown += "/…"
        return f"{shown} is not implemented; {_INSTEAD.get(first, _OTHERWISE)}"
    if path.rstrip("/") in _BESIDE_V1:
        return "OpenAI's API is under /v1: add /v1 to the base URL of the client"
    return None

"""What tells one kind of model server from another: pure, from what it answered to some paths."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.core.config import LlmKind

MODELS = "/v1/models"
FIRST_QUESTION: dict[LlmKind, str] = {
    "lm_studio": "/api/v0/models",
    "ollama": "/api/version",
    "llama_cpp": "/health",
    "vllm": "/version",
}
"""The path that only this kind has, asked first where it is expected. Never the list of models: another PROMPTer would
have to ask everybody for it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, as far as it tells who gave it."""

    status: int
    body: Any = None
    """Its JSON, None where it is none."""
    server: str = ""
    """Its header `Server`."""


def entries_of(body: Any) -> list[dict[str, Any]] | None:
    """The models in a list of models, None where the body is no such list."""
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        return None
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def questions_left(expected: LlmKind, answers: Mapping[str, Heard]) -> list[str]:
    """What to ask next, in this order, until the kind is told: two questions where it is the expected one."""
    first = FIRST_QUESTION[expected]
    if kind_told(expected, answers) not in (None, "other"):
        return []
    if MODELS in answers and not _is_model_server(answers[MODELS]):
        return []
    rest = [path for path in FIRST_QUESTION.values() if path != first]
    return [path for path in (first, MODELS, *rest) if path not in answers]


def kind_told(expected: LlmKind, answers: Mapping[str, Heard]) -> LlmKind | None:
    """Who answered; None where that is no model server, or it cannot be told."""
    models = answers.get(MODELS)
    if models is None or not _is_model_server(models):
        return None
    owners = {entry.get("owned_by") for entry in entries_of(models.body) or []}
    if "llamacpp" in owners or any(heard.server == "llama.cpp" for heard in answers.values()):
        return "llama_cpp"
    if "vllm" in owners:
        return "vllm"
    if (own := _ok(answers, "lm_studio")) is not None and entries_of(own) is not None:
        return "lm_studio"
    if _has_version(answers, "ollama"):
        return "ollama"
    if models.status in (401, 403):
        # With keys required, vLLM still tells its version, and LM Studio tells nothing at all.
        if _has_version(answers, "vllm"):
            return "vllm"
        return "lm_studio" if expected == "lm_studio" and FIRST_QUESTION["vllm"] in answers else None
    return "other" if models.status == 200 else None


def _is_model_server(models: Heard) -> bool:
    """A list of models, or a refusal of one in OpenAI's words. A web application answers anything with a page."""
    if models.status == 200:
        return entries_of(models.body) is not None
    refuses = isinstance(models.body, dict) and bool(models.body.get("error"))
    return refuses and models.status in (401, 403, 503)


def _ok(answers: Mapping[str, Heard], kind: LlmKind) -> Any:
    heard = answers.get(FIRST_QUESTION[kind])
    return heard.body if heard and heard.status == 200 else None


def _has_version(answers: Mapping[str, Heard], kind: LlmKind) -> bool:
    body = _ok(answers, kind)
    return isinstance(body, dict) and isinstance(body.get("version"), str)

"""Fakes of local model servers: what each of them answers to a GET, by path."""

import json
from collections.abc import Mapping
from typing import Any

from tests.fakes.upstream import FakeUpstream, Reply, Request, error_reply, json_reply

PAGE = Reply([b"<!doctype html><title>app</title>"], headers={"Content-Type": "text/html"})
"""What a web application answers to any path."""


class ModelServer(FakeUpstream):
    """Answers by path, and every other path with `otherwise`."""

    def __init__(self, answers: Mapping[str, Reply], otherwise: Reply | None = None) -> None:
        super().__init__()
        self.answers = dict(answers)
        self.otherwise = otherwise or error_reply(404, "not found")

    @property
    def port(self) -> int:
        return int(self.origin.rpartition(":")[2])

    @property
    def paths(self) -> list[str]:
        """The paths of all requests, in order."""
        return [request.path for request in self.requests]

    def _reply_to(self, request: Request) -> Reply:
        if request.method != "GET":
            return super()._reply_to(request)
        return self.answers.get(request.path, self.otherwise)


def models(*ids: str, owned_by: str = "", **headers: Any) -> Reply:
    """A list of models."""
    entries = [{"id": name, "object": "model", "owned_by": owned_by} for name in ids]
    return json_reply({"object": "list", "data": entries}, **headers)


def ollama() -> ModelServer:
    return ModelServer(
        {
            "/api/version": json_reply({"version": "0.12.4"}),
            "/v1/models": models("qwen3:8b", owned_by="library"),
        }
    )


def lm_studio() -> ModelServer:
    """It answers paths that it does not know with 200 and an error."""
    loaded = {"id": "qwen3-8b", "object": "model", "type": "llm", "state": "loaded"}
    return ModelServer(
        {
            "/api/v0/models": json_reply({"object": "list", "data": [loaded]}),
            "/v1/models": models("text-embedding-nomic", "qwen3-8b", owned_by="organization_owner"),
        },
        json_reply({"error": "Unexpected endpoint or method. (GET /x). Returning 200 anyway"}),
    )


def llama_cpp(*, loading: bool = False) -> ModelServer:
    """It lists its model also while that is loading."""
    health = (
        error_reply(503, "Loading model", Server="llama.cpp") if loading else json_reply({"status": "ok"})
    )
    return ModelServer(
        {"/health": health, "/v1/models": models("model.gguf", owned_by="llamacpp", Server="llama.cpp")}
    )


def vllm(*, key: bool = False) -> ModelServer:
    listed = json_reply({"error": "Unauthorized"}, 401) if key else models("Qwen/Qwen3-8B", owned_by="vllm")
    return ModelServer({"/version": json_reply({"version": "0.11.0"}), "/v1/models": listed})


def local_ai() -> ModelServer:
    """A server with OpenAI's API and no known marks of its own."""
    return ModelServer({"/v1/models": models("phi-4")})


def web_app() -> ModelServer:
    """A web application with a version of its own, and one page for every path that it does not know."""
    return ModelServer(
        {"/api/version": json_reply({"version": "0.12.4"}), "/health": json_reply({"status": True})}, PAGE
    )


def prompter() -> ModelServer:
    """Another PROMPTer, as it looks from outside."""
    listed: Any = {"object": "list", "data": [{"id": "echo", "object": "model"}]}
    body = [json.dumps(listed).encode()]
    ours = {"X-Prompter": "1", "Content-Type": "application/json"}
    return ModelServer({"/v1/models": Reply(body, headers=ours)}, Reply([b"{}"], 404, ours))

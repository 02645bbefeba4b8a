"""Answers from llama.cpp inside the server, for a GGUF file: nothing else to install or to start."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from importlib.util import find_spec
from typing import Any

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.errors import ModelNotFound, ProviderNotReady, UpstreamError, UpstreamTruncated
from app.providers.base import ChatRequest, ProviderStatus
from app.providers.llm.llama.process import LlamaProcess
from app.providers.llm.llama.server import LlamaServer
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.profiles import Profile
from app.providers.upstream.vendors import VENDORS
from app.schemas.providers import ProviderState
from app.weights.gguf import GgufFile, MissingGguf, find_default_gguf, list_gguf

_PACKAGE = "xllamacpp"
_NOTICED_S = 0.2
_NOT_INSTALLED = (
    "llama.cpp is not installed: pip install 'prompter[llama]', or pip install '.[llama]' in a checkout"
)


class LlamaLocalProvider:
    """A `ChatProvider` over a llama.cpp process of its own, which is started at the first prompt."""

    name = "llama_local"
    type = "local"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = UpstreamClient(settings.llm.connect_timeout_s)
        self.server = LlamaServer(settings)

    async def status(self) -> ProviderStatus:
        """What is there and what is loaded; asking loads nothing."""
        if not _installed():
            return ProviderStatus(ProviderState.NOT_INSTALLED, _NOT_INSTALLED)
        if file := self.server.loading:
            return ProviderStatus(ProviderState.LOADING, f"llama.cpp is loading {file.name!r}")
        file_or_none = await anyio.to_thread.run_sync(find_default_gguf, self._settings)
        if isinstance(file_or_none, MissingGguf):
            return ProviderStatus(ProviderState.NO_MODEL, file_or_none.reason)
        if wait_s := self.server.broken_for_s:
            return ProviderStatus(
                ProviderState.UNREACHABLE,
                f"llama.cpp ended again and again; it may start again in {wait_s:.0f} s",
            )
        loaded = self.server.loaded
        what = f"{loaded.name!r} is loaded" if loaded else "it loads at the first prompt"
        size_gb = file_or_none.size_bytes / 1e9
        return ProviderStatus(
            ProviderState.READY,
            f"llama.cpp on this machine, {file_or_none.path.name!r} ({size_gb:.1f} GB); {what}",
        )

    async def models(self) -> list[str]:
        """The GGUF files by name, the one that answers unasked first."""
        if not _installed():
            return []
        files = await anyio.to_thread.run_sync(list_gguf, self._settings)
        first = await anyio.to_thread.run_sync(find_default_gguf, self._settings)
        return [file.name for file in sorted(files, key=lambda file: file != first)]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """As `ChatProvider.stream`. A model that is not loaded is loaded first, and takes the other's place."""
        async with (
            self._asked(request.model) as (chat, model),
            aclosing(chat.stream(ChatRequest(model, request.body))) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        async with self._asked(request.model) as (chat, model):
            return await chat.complete(ChatRequest(model, request.body))

    async def aclose(self) -> None:
        await self.server.aclose()
        await self._client.aclose()

    @asynccontextmanager
    async def _asked(self, model: str) -> AsyncIterator[tuple[ChatUpstream, str]]:
        """The wire to the model, which stays loaded until the block is left, and the model's name.

        Raises:
            ProviderNotReady, ModelNotFound, UpstreamLoading
        """
        file = await self._file_of(model)
        async with self.server.answering(file) as process:
            try:
                yield ChatUpstream(self._client, self._profile(process)), file.name
            except UpstreamError as error:
                # The broken answer may be seen before the end of the process that broke it.
                with anyio.move_on_after(_NOTICED_S):
                    await process.ended.wait()
                if process.ended.is_set():
                    raise _died(error) from error
                raise

    async def _file_of(self, model: str) -> GgufFile:
        """The file of this name among those that are listed: a client cannot make the server open another."""
        if not _installed():
            raise ProviderNotReady(_NOT_INSTALLED)
        if not model:
            default = await anyio.to_thread.run_sync(find_default_gguf, self._settings)
            if isinstance(default, MissingGguf):
                raise ProviderNotReady(default.reason)
            return default
        files = await anyio.to_thread.run_sync(list_gguf, self._settings)
        for file in files:
            if file.name == model:
                return file
        there = ", ".join(repr(file.name) for file in files) or "none"
        raise ModelNotFound(f"there is no GGUF file {model[:80]!r}; in the models folder: {there}")

    def _profile(self, process: LlamaProcess) -> Profile:
        limits = self._settings.llm
        return Profile(
            name=self.name,
            vendor=VENDORS["llama_cpp"],
            endpoint=process.endpoint,
            model="",
            models=(),
            connect_timeout_s=limits.connect_timeout_s,
            first_byte_timeout_s=limits.local_first_byte_timeout_s,
            idle_timeout_s=limits.idle_timeout_s,
        )


def _installed() -> bool:
    return find_spec(_PACKAGE) is not None


def _died(error: UpstreamError) -> UpstreamError:
    """The error of an answer that ended with llama.cpp itself."""
    kind = UpstreamTruncated if isinstance(error, UpstreamTruncated) else UpstreamError
    return kind("llama.cpp ended while it answered; ask again, it starts anew")

"""The provider `llama_local`: llama.cpp, run by the server itself on a GGUF file."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.errors import ModelNotFound, ProviderNotReady, UpstreamError, UpstreamTruncated
from app.core.extras import advise_extra
from app.core.notes import Note, NoteCode
from app.providers.base import ChatRequest, ProviderStatus
from app.providers.joining import join_chunks
from app.providers.llm.llama.answer import limit_time, limit_tokens
from app.providers.llm.llama.process import LlamaProcess
from app.providers.llm.llama.server import LlamaServer
from app.providers.upstream.chat import ChatUpstream
from app.providers.upstream.client import UpstreamClient
from app.providers.upstream.profiles import Profile
from app.providers.upstream.vendors import VENDORS
from app.schemas.providers import ProviderState
from app.weights.gguf import GgufFile, MissingGguf, find_default_gguf, list_gguf

_PACKAGE = "xllamacpp"
_TITLE = "llama.cpp"
_NOTICE_S = 0.2


class LlamaLocalProvider:
    """A `ChatProvider` over a llama.cpp process, which is started at the first prompt."""

    name = "llama_local"
    type = "local"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = UpstreamClient(settings.llm.connect_timeout_s)
        self.server = LlamaServer(settings)
        self._default: GgufFile | None = None
        """The last file that was the default without a doubt."""

    async def status(self) -> ProviderStatus:
        """Which model there is, and whether it is loaded. Asking loads nothing."""
        if not _installed():
            return ProviderStatus(
                state=ProviderState.NOT_INSTALLED,
                description=_describe_missing(),
                note=Note(NoteCode.PACKAGE_MISSING),
                title=_TITLE,
            )
        if file := self.server.loading:
            return ProviderStatus(
                state=ProviderState.LOADING,
                description=f"llama.cpp is loading {file.name!r}",
                note=Note(NoteCode.LOADING),
                title=_TITLE,
                model=file.name,
            )
        found = await self._find_default()
        if isinstance(found, MissingGguf):
            return ProviderStatus(
                state=ProviderState.NO_MODEL,
                description=found.reason,
                note=Note(found.code),
                title=_TITLE,
            )
        if wait_s := self.server.broken_for_s:
            return ProviderStatus(
                state=ProviderState.UNREACHABLE,
                description=f"llama.cpp ended again and again; it may start again in {wait_s:.0f} s",
                note=Note(NoteCode.ENDED_AGAIN, {"seconds": max(1, round(wait_s))}),
                title=_TITLE,
                model=found.name,
            )
        loaded = self.server.loaded
        what = f"{loaded.name!r} is loaded" if loaded else "it loads at the first prompt"
        size_gb = found.size_bytes / 1e9
        return ProviderStatus(
            state=ProviderState.READY,
            description=f"llama.cpp on this machine, {found.path.name!r} ({size_gb:.1f} GB); {what}",
            note=Note(
                NoteCode.ANSWERS if loaded else NoteCode.LOADS_WHEN_ASKED,
                {"very_small": 1} if found.is_very_small else {},
            ),
            title=_TITLE,
            model=found.name,
        )

    async def models(self) -> list[str]:
        """The names of the GGUF files, the default first."""
        if not _installed():
            return []
        files = await anyio.to_thread.run_sync(list_gguf, self._settings)
        first = await self._find_default()
        return [file.name for file in sorted(files, key=lambda file: file != first)]

    async def stream(self, request: ChatRequest) -> AsyncGenerator[dict[str, Any], None]:
        """As `ChatProvider.stream`. A model that is not loaded is loaded first, in place of the other.

        An answer is never longer than the settings allow: it ends with the reason `length` there.
        """
        own = self._settings.llm.llama_local
        body = limit_tokens(request.body, own.answer_tokens)
        async with (
            self._load_model(request) as (chat, model),
            aclosing(chat.stream(replace(request, model=model, body=body))) as endless,
            aclosing(limit_time(endless, own.answer_s)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def complete(self, request: ChatRequest) -> dict[str, Any]:
        """As `ChatProvider.complete`. It is streamed from llama.cpp, so that the time limit keeps what has come."""
        return await join_chunks(self.stream(request), self.name)

    async def aclose(self) -> None:
        await self.server.aclose()
        await self._client.aclose()

    @asynccontextmanager
    async def _load_model(self, request: ChatRequest) -> AsyncIterator[tuple[ChatUpstream, str]]:
        """Whom to ask, and the model's name. The model stays loaded until the block is left.

        Raises:
            ProviderNotReady, ModelNotFound, UpstreamLoading
        """
        file = await self._find_file(request.model)
        async with self.server.use_model(file, request.on_wait) as process:
            try:
                yield ChatUpstream(self._client, self._profile(process)), file.name
            except UpstreamError as error:
                # The answer may break off before the end of the process is noticed.
                with anyio.move_on_after(_NOTICE_S):
                    await process.ended.wait()
                if process.ended.is_set():
                    raise _process_ended(error) from error
                raise

    async def _find_file(self, model: str) -> GgufFile:
        """The listed file of this name: a client cannot make the server open any other."""
        if not _installed():
            raise ProviderNotReady(_describe_missing(), note=Note(NoteCode.PACKAGE_MISSING))
        if not model:
            default = await self._find_default()
            if isinstance(default, MissingGguf):
                raise ProviderNotReady(default.reason, note=Note(default.code))
            return default
        files = await anyio.to_thread.run_sync(list_gguf, self._settings)
        for file in files:
            if file.name == model:
                return file
        there = ", ".join(repr(file.name) for file in files) or "none"
        raise ModelNotFound(f"there is no GGUF file of this name; in the models folder: {there}")

    async def _find_default(self) -> GgufFile | MissingGguf:
        """The file for requests that name none. One that arrives beside it while the server runs does not end it."""
        found = await anyio.to_thread.run_sync(find_default_gguf, self._settings)
        if isinstance(found, GgufFile):
            self._default = found
        elif self._default and not self._settings.llm.llama_local.model.strip():
            files = await anyio.to_thread.run_sync(list_gguf, self._settings)
            return self._default if self._default in files else found
        return found

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


def _describe_missing() -> str:
    return f"llama.cpp is not installed: install it with {advise_extra('llama')}"


def _process_ended(error: UpstreamError) -> UpstreamError:
    """The error of an answer that broke off because llama.cpp ended."""
    kind = UpstreamTruncated if isinstance(error, UpstreamTruncated) else UpstreamError
    return kind("llama.cpp ended while it answered; ask again, it starts anew")

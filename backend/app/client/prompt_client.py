"""`PromptClient`, the client for Python programs; the `prompter` command uses it too."""

import asyncio
import ipaddress
import json
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx2
from websockets.asyncio.client import ClientConnection

from app.client.dictation import Dictation
from app.client.errors import ClientError, ServerFailed, Unreachable, make_status_error
from app.client.events import Answer, Event, Transcription, join_finals, make_segments
from app.client.pacing import Chunks, chunk_stream
from app.client.recorded_audio import RecordedAudio
from app.client.recordings import open_recording
from app.client.speech_socket import BAD_PROXY, open_speech_socket
from app.client.unsent import name_owner
from app.core.endpointing_profiles import EndpointingProfile

IMPORT_LOOK_S = 0.3
"""Between two looks at how far an import is."""

Endpointing = EndpointingProfile | dict[str, int]
Prompt = str | Sequence[dict[str, str]]
"""A text, or the messages of a conversation: `[{"role": "user", "content": "…"}]`."""


class PromptClient:
    """Sends speech to a server, and asks its language models.

        import asyncio
        from prompter import PromptClient, open_recording

        async def main():
            async with PromptClient("http://127.0.0.1:8000") as client:
                wav = open_recording("samples/en_weather_madrid_48k.wav")
                async for event in client.dictate(wav.chunks, sample_rate=wav.sample_rate, session_id="s1"):
                    print(event.type, event.text)
                print((await client.generate(session_id="s1")).text)

        asyncio.run(main())

    `cafile` is the certificate to trust in place of the system's, such as the one that `prompter tls` makes.
    One client can run several dictations at once. All errors are ClientErrors.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str | None = None, cafile: str | Path | None = None
    ) -> None:
        """Raises Unreachable for what is no address or holds no certificates, and ClientError for what is no token."""
        self.url, host = _read_address(url)
        self._headers = {"Authorization": f"Bearer {_check_token(token)}"} if token else {}
        self.owner = name_owner(_check_token(token) if token else None)
        """Whose speech this client sends, as far as its token tells."""
        self._tls = _load_certificates(cafile) if cafile is not None else None
        self._proxy = not _is_loopback(host)
        self._http: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        # A proxy from the environment is for other machines, never for this one.
        timeout = httpx2.Timeout(15, read=300)
        try:
            self._http = httpx2.AsyncClient(
                base_url=self.url,
                headers=self._headers,
                timeout=timeout,
                trust_env=self._proxy,
                verify=self._tls or True,
            )
        except (ValueError, httpx2.InvalidURL):
            raise Unreachable(BAD_PROXY) from None  # its words could hold the password of the proxy
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._http:
            await self._http.aclose()

    # -- speech

    async def dictate(
        self,
        chunks: Chunks,
        *,
        lang: str | None = None,
        langs: Sequence[str] = (),
        likely_langs: Sequence[str] = (),
        provider: str | None = None,
        model: str | None = None,
        sample_rate: int = 16_000,
        words: bool = False,
        partials: bool = True,
        vocabulary: Sequence[str] = (),
        endpointing: Endpointing | None = None,
        events: Sequence[str] = (),
        session_id: str | None = None,
        resume: bool = True,
        store: bool = True,
    ) -> AsyncGenerator[Event, None]:
        """Send PCM16 mono chunks as they come, and yield events as they come, until `stopped`.

        An option that is left out is the server's default. A busy server takes audio more slowly, and the source is
        then read more slowly (back-pressure). Leaving the loop early ends the dictation without its last finals. After
        a broken connection a new one is made within two minutes, and the dictation continues with an event `resumed`;
        no event is lost or repeated. With `resume=False` ConnectionLost is raised instead. With `store=False` the
        server stores nothing of it.

        Raises:
            Unreachable, Refused, ServerFailed, ConnectionLost
        """
        start = make_start(
            lang=lang,
            langs=list(langs) or None,
            likely_langs=list(likely_langs) or None,
            provider=provider,
            model=model,
            sample_rate=sample_rate,
            words=words or None,
            partials=None if partials else False,
            vocabulary=list(vocabulary) or None,
            endpointing=endpointing,
            events=list(events) or None,
            store=None if store else False,
        )
        if session_id is not None:
            start["session_id"] = session_id
        dictation = Dictation(self._open_speech_socket, start, chunks, resume=resume)
        async with aclosing(dictation.events()) as found:
            async for event in found:
                yield event

    async def dictate_recorded(self, audio: RecordedAudio, **config: Any) -> AsyncGenerator[Event, None]:
        """Send what is recorded on this machine, and yield events as they come, until `stopped`.

        While it is recorded a server that is away is waited for as long as it takes; then its audio is sent at full
        speed. `config` replaces options of the dictation's `start`.

        Raises:
            Unreachable, Refused, ServerFailed, ConnectionLost: what has no text is still recorded.
        """
        start = audio.recording.about.start
        start = {**start, "config": {**start["config"], **config}}
        dictation = Dictation(self._open_speech_socket, start, audio, resume=True)
        async with aclosing(dictation.events()) as found:
            async for event in found:
                yield event

    def _open_speech_socket(self) -> AbstractAsyncContextManager[ClientConnection]:
        address = f"ws{self.url.removeprefix('http')}/ws/stt"
        return open_speech_socket(address, self._headers, self._proxy, self._tls)

    async def transcribe(
        self,
        path: str | Path,
        *,
        progress: Callable[[int, int | None], None] | None = None,
        **options: Any,
    ) -> Transcription:
        """Return the text of a recording, sent as fast as the server takes it; `options` are those of `dictate`.

        `progress(done_ms, audio_ms)` is called as the server decodes; `audio_ms` is None where the file does not say
        its length.

        Raises:
            AudioError: the file cannot be read.
            Unreachable, Refused, ServerFailed, ConnectionLost
        """
        source = open_recording(path)
        finals: list[Event] = []
        ready: dict[str, Any] = {}
        lang: str | None = None
        audio_ms = 0
        options = {"partials": False, "events": ["ack"], **options}
        events = self.dictate(chunk_stream(source.chunks), sample_rate=source.sample_rate, **options)
        async with aclosing(events):
            async for event in events:
                if event.type == "ready":
                    ready = dict(event.data)
                elif event.type == "final" and event.text:
                    finals.append(event)
                    lang = lang or event.data.get("lang")
                elif event.type == "stopped":
                    audio_ms = event.data.get("stats", {}).get("audio_ms", 0)
                if progress and (done_ms := event.data.get("decoded_ms") or event.data.get("end_ms")):
                    progress(done_ms, source.audio_ms)
        return Transcription(
            text=join_finals(finals),
            segments=make_segments(finals),
            lang=lang,
            provider=ready.get("provider"),
            model=ready.get("model"),
            audio_ms=audio_ms or source.audio_ms or 0,
        )

    # -- language models

    async def generate(
        self,
        prompt: Prompt | None = None,
        *,
        session_id: str | None = None,
        provider: str | None = None,
        config: dict[str, Any] | None = None,
    ) -> Answer:
        """Return the model's whole answer to a text, to messages, or to the dictation with this `session_id`.

        Raises:
            Unreachable, Refused, ServerFailed
        """
        body = _build_body(prompt, session_id, provider, config)
        answer = (await self._request("POST", "/llm/generate", body)).json()
        return Answer(
            text=answer["text"],
            provider=answer["provider"],
            model=answer.get("model"),
            finish_reason=answer.get("finish_reason"),
            usage=answer.get("usage"),
        )

    async def generate_stream(
        self,
        prompt: Prompt | None = None,
        *,
        session_id: str | None = None,
        provider: str | None = None,
        config: dict[str, Any] | None = None,
        on_status: Callable[[Mapping[str, Any]], None] = lambda _: None,
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece, as the model writes it; closing the generator stops the model.

        `on_status` is told once a second why nothing arrives: `state` (loading, queued, working), `place` in the
        queue, and `waited_ms`.
        """
        body = {**_build_body(prompt, session_id, provider, config), "stream": True}
        try:
            async with self._session.stream("POST", "/llm/generate", json=body) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise _make_http_error(response)
                async for event in httpx2.EventSource(response):
                    data = json.loads(event.data)
                    if event.event == "error":
                        raise ServerFailed(str(data.get("error", "")), str(data.get("code", "")))
                    if event.event == "done":
                        return
                    if event.event == "status":
                        on_status(data)
                    if event.event == "message":
                        yield data.get("content", "")
        except httpx2.TransportError as error:
            raise self._make_transport_error(error) from error
        raise ServerFailed("the answer broke off")

    # -- conversations

    async def import_conversations(
        self,
        path: str | Path,
        *,
        dry_run: bool = False,
        progress: Callable[[int, int | None], None] = lambda _done, _total: None,
    ) -> dict[str, Any]:
        """Import the file that another product exported; the import at its end, as `GET /api/import/{id}` has it.

        `progress(done, total)` is called with numbers of conversations; `total` is None until they are counted.
        Cancelling this cancels the import: conversations that have come stay. With `dry_run` nothing is stored.

        Raises:
            Unreachable, Refused, ServerFailed
        """
        file = Path(path)
        with await asyncio.to_thread(file.open, "rb") as content:
            form: dict[str, Any] = {
                "files": {"file": (file.name, content)},
                "data": {"dry_run": str(dry_run).lower()},
            }
            found = (await self._request("POST", "/api/import", **form)).json()
        try:
            while found["state"] in ("waiting", "working"):
                progress(found["done"], found["total"])
                await asyncio.sleep(IMPORT_LOOK_S)
                found = (await self._request("GET", f"/api/import/{found['id']}")).json()
        except asyncio.CancelledError:
            await asyncio.shield(self._request("DELETE", f"/api/import/{found['id']}"))
            raise
        ended: dict[str, Any] = found
        return ended

    # -- providers and users

    async def whoami(self) -> dict[str, Any]:
        """Return the user of this client's token: `id`, `name` and more; without accounts the local user.

        Raises:
            Unreachable, Refused, ServerFailed
        """
        found: dict[str, Any] = (await self._request("GET", "/api/auth/me")).json()
        return found

    async def providers(self) -> dict[str, list[dict[str, Any]]]:
        """Return every provider and its state: `{"stt": […], "llm": […]}`, items as in the API description."""
        found = {}
        for kind in ("stt", "llm"):
            found[kind] = (await self._request("GET", f"/providers/{kind}")).json()["items"]
        return found

    @property
    def _session(self) -> httpx2.AsyncClient:
        if self._http is None:
            raise ClientError("this client is not open; use `async with PromptClient(…) as client:`")
        return self._http

    async def _request(
        self, method: str, path: str, body: dict[str, Any] | None = None, **form: Any
    ) -> httpx2.Response:
        try:
            response = await self._session.request(method, path, json=body, **form)
        except httpx2.TransportError as error:
            raise self._make_transport_error(error) from error
        if response.status_code >= 400:
            raise _make_http_error(response)
        return response

    def _make_transport_error(self, error: httpx2.TransportError) -> ClientError:
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return Unreachable(f"no server answers at {self.url}; start one with `prompter serve`")
        return ServerFailed(f"the server at {self.url} broke off its answer ({type(error).__name__})")


def make_start(**config: Any) -> dict[str, Any]:
    """Return the message that begins a dictation; options that are None are left to the server."""
    return {"type": "start", "config": {name: value for name, value in config.items() if value is not None}}


def _build_body(
    prompt: Prompt | None, session_id: str | None, provider: str | None, config: dict[str, Any] | None
) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    fields = {"messages": messages, "session_id": session_id, "provider": provider, "config": config}
    return {name: value for name, value in fields.items() if value is not None}


def _make_http_error(response: httpx2.Response) -> ClientError:
    try:
        error = response.json()["error"]
        return make_status_error(response.status_code, str(error["message"]), str(error.get("code", "")))
    except (ValueError, KeyError, TypeError):
        return make_status_error(response.status_code, "")


def _read_address(url: str) -> tuple[str, str]:
    """Return a server's address without a slash at its end, and its host.

    Raises:
        Unreachable: it is no address of a server. A password in it is not repeated.
    """
    full = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(full.strip().rstrip("/"))
        host = parts.hostname or ""
        host.encode("idna")  # an empty or an overlong label
        httpx2.URL(parts.geturl())
        is_address = parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except (ValueError, httpx2.InvalidURL):
        is_address = False
    if not is_address or parts.query or parts.fragment or re.search(r"\s", parts.netloc):
        shown = "this" if "@" in url else repr(url)
        raise Unreachable(f"{shown} is no server's address; expected one like http://127.0.0.1:8000")
    return parts.geturl(), host


def _check_token(token: str) -> str:
    """Return a token without the line end of the file that it was read from.

    Raises:
        ClientError: it cannot be sent in a header.
    """
    if not re.fullmatch(r"[!-~]+", token.strip()):
        raise ClientError("the token holds a space, a line end or a letter that no token has; copy it again")
    return token.strip()


def _load_certificates(cafile: str | Path) -> ssl.SSLContext:
    """Return a TLS context that trusts the certificates of a file.

    Raises:
        Unreachable: the file holds no certificates.
    """
    try:
        return ssl.create_default_context(cafile=cafile)
    except OSError as error:
        raise Unreachable(f"{str(cafile)!r} holds no certificates to trust; expected a PEM file") from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

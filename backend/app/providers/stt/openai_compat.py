"""Speech to text by any service with `/v1/audio/transcriptions`: one request for each utterance, finals only."""

import time

import anyio
import anyio.to_thread

from app.core.config import Settings
from app.core.errors import BaseUrlNotAllowed, ProviderNotReady, UnknownModel
from app.core.notes import Note, NoteCode
from app.providers.base import Hypothesis, ProviderStatus, Samples, SttCapabilities, SttConfig, Transcript
from app.providers.upstream.addresses import Reach, parse_base_url
from app.providers.upstream.client import Endpoint, UpstreamClient, make_redactor
from app.providers.upstream.errors import Refusal, read_refusal, upstream_errors
from app.providers.upstream.probe import Probe
from app.providers.upstream.transcription import build_form, encode_wav, parse_transcript
from app.providers.upstream.transport import Resolver, resolve_host
from app.schemas.providers import ProviderState

_PATH = "/audio/transcriptions"
_TRANSLATIONS_PATH = "/audio/translations"
_TRIES = 2
_ANSWER_BYTES = 8 << 20
_SETTING = "PROMPTER_STT__OPENAI_COMPAT__BASE_URL"


class OpenAiCompatSttProvider:
    """The service of the settings; clients cannot name another."""

    name = "openai_compat"
    type = "cloud"
    capabilities = SttCapabilities(
        languages=None, streaming=False, words=True, vocabulary=True, network=True, translates=True
    )

    def __init__(self, settings: Settings, *, resolver: Resolver = resolve_host) -> None:
        self._own = settings.stt.openai_compat
        self._client = UpstreamClient(settings.llm.connect_timeout_s, resolver)
        self._probe: Probe | None = None

    async def status(self) -> ProviderStatus:
        try:
            endpoint = self._endpoint()
        except ProviderNotReady as error:
            return ProviderStatus(
                state=ProviderState.NOT_CONFIGURED,
                description=error.message,
                note=Note(NoteCode.NOT_SET_UP),
            )
        if self._probe is None:
            self._probe = Probe(self._client, endpoint, self._own.model)
        return await self._probe.status()

    def models(self) -> list[str]:
        return [self._own.model]

    async def start(self) -> None:
        """Nothing to load. Where the upstream is away, the first utterance fails."""
        self._endpoint()

    async def open_session(self, config: SttConfig) -> "OpenAiCompatSttSession":
        if config.model not in (None, self._own.model):
            raise UnknownModel(f"provider {self.name!r} has no such model; expected {self._own.model!r}")
        return OpenAiCompatSttSession(self, config)

    async def transcribe(self, pieces: list[Samples], config: SttConfig) -> Transcript:
        """The text of one utterance.

        Raises:
            UpstreamError: and its subclasses; the next utterance may succeed.
        """
        started_s = time.perf_counter()
        endpoint = self._endpoint()
        host = endpoint.base.host
        wav = await anyio.to_thread.run_sync(encode_wav, pieces)
        with upstream_errors(host), anyio.fail_after(self._own.timeout_s):
            body = await self._post(endpoint, wav, config, verbose=config.words)
            if isinstance(body, Refusal) and config.words and body.status in (400, 422):
                # Some models only have plain json: a final without word times is better than none.
                body = await self._post(endpoint, wav, config, verbose=False)
            if isinstance(body, Refusal):
                raise body.to_error(host)
        found = parse_transcript(body, config, self._own.model, host)
        decode_ms = (time.perf_counter() - started_s) * 1000
        return Transcript(found.text, found.lang, found.model, found.words, found.rejected, decode_ms)

    async def aclose(self) -> None:
        await self._client.aclose()

    async def _post(
        self, endpoint: Endpoint, wav: bytes, config: SttConfig, *, verbose: bool
    ) -> bytes | Refusal:
        async with self._client.request(
            "POST",
            endpoint,
            _TRANSLATIONS_PATH if config.translates else _PATH,
            timeout_s=self._own.timeout_s,
            tries=_TRIES,
            data=build_form(config, self._own.model, verbose=verbose),
            files={"file": ("audio.wav", wav, "audio/wav")},
        ) as reply:
            refusal = await read_refusal(reply, make_redactor(endpoint, *config.vocabulary))
            return refusal or await reply.read_body(_ANSWER_BYTES)

    def _endpoint(self) -> Endpoint:
        if not self._own.base_url.strip():
            raise ProviderNotReady(f"any service with /v1/audio/transcriptions; set {_SETTING} and __API_KEY")
        try:
            base = parse_base_url(self._own.base_url)
        except BaseUrlNotAllowed as error:
            raise ProviderNotReady(f"{_SETTING}: {error.message}") from error
        return Endpoint(base, self._own.api_key.get_secret_value().strip(), Reach.OPERATOR)


class OpenAiCompatSttSession:
    """One dictation: its configuration."""

    def __init__(self, provider: OpenAiCompatSttProvider, config: SttConfig) -> None:
        self._provider = provider
        self._config = config

    async def open_stream(self) -> "OpenAiCompatSttStream":
        return OpenAiCompatSttStream(self._provider, self._config)

    async def aclose(self) -> None:
        """Nothing to free."""


class OpenAiCompatSttStream:
    """One utterance: collects its audio, and sends it at the end."""

    def __init__(self, provider: OpenAiCompatSttProvider, config: SttConfig) -> None:
        self._provider = provider
        self._config = config
        self._pieces: list[Samples] = []

    async def accept(self, samples: Samples) -> Hypothesis | None:
        self._pieces.append(samples.copy())
        return None

    async def finish(self, speech_samples: int) -> Transcript:  # noqa: ARG002
        """Send all of the audio. The silence after speech helps engines with the last word."""
        return await self._provider.transcribe(self._pieces, self._config)

    async def aclose(self) -> None:
        self._pieces.clear()

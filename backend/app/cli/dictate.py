"""`prompter dictate`: shows text while you speak, and can send it to a model."""

import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.common import (
    DEFAULT_URL,
    USAGE,
    AsJson,
    CaFile,
    CommandError,
    Token,
    Url,
    make_client,
    run_async,
)
from app.cli.unsent import UnsentCommand, dictate_recorded
from app.core.endpointing_profiles import ENDPOINTING_PROFILES

if TYPE_CHECKING:
    from app.cli.screen import Screen
    from app.client.events import Event
    from app.client.pacing import Chunks
    from app.client.prompt_client import PromptClient

Source = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|-]",
        help="A recording, or - for standard input; the microphone if left out. "
        "With --unsent: send or discard; lists if left out.",
    ),
]
UnsentId = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="With --unsent send or discard: one recording.")
]
Unsent = Annotated[
    bool,
    typer.Option(
        "--unsent", help="List what the microphone recorded and no server has stored; or send or discard it."
    ),
]
NoStore = Annotated[
    bool, typer.Option("--no-store", help="Keep nothing of it, on this machine and on the server.")
]
Lang = Annotated[str | None, typer.Option(help="Language (BCP-47, such as en or es-MX), or auto.")]
Langs = Annotated[
    list[str] | None,
    typer.Option(help="Languages that are spoken, comma-separated: one is chosen for each utterance."),
]
Provider = Annotated[str | None, typer.Option(help="Speech engine; `prompter providers` lists them.")]
Model = Annotated[str | None, typer.Option(help="The engine's model.")]
Vocabulary = Annotated[
    list[str] | None, typer.Option(help="Terms likely to be said, comma-separated; may be repeated.")
]
Endpointing = Annotated[
    str | None,
    typer.Option(help=f"When an utterance ends: {', '.join(ENDPOINTING_PROFILES)}, or silence in ms."),
]
Resume = Annotated[bool, typer.Option("--resume/--no-resume", help="Continue after the connection breaks.")]


def dictate(
    source: Source = None,
    unsent_id: UnsentId = None,
    lang: Lang = None,
    langs: Langs = None,
    provider: Provider = None,
    model: Model = None,
    endpointing: Endpointing = None,
    vocabulary: Vocabulary = None,
    words: Annotated[bool, typer.Option("--words", help="Ask for word times (shown by --json).")] = False,
    rate: Annotated[
        int, typer.Option(min=8000, max=48_000, help="Hz of raw audio from standard input or the microphone.")
    ] = 16_000,
    fast: Annotated[bool, typer.Option("--fast", help="Send a file at full speed.")] = False,
    resume: Resume = True,
    send: Annotated[bool, typer.Option("--send", help="Ask the model and show its answer.")] = False,
    no_store: NoStore = False,
    unsent: Unsent = False,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    cafile: CaFile = None,
) -> None:
    """Turn speech into text while it is spoken: finished utterances go to standard output, one per line.

    At a terminal the text so far is shown too, with the part that may still change dimmed. Standard input may
    be a WAV file or raw PCM16 mono. What the microphone gives is kept in a private folder until the server has
    its text, also while there is no server.
    """
    from app.cli.screen import JsonScreen, TextScreen

    screen = JsonScreen() if as_json else TextScreen()
    config = {
        "lang": lang,
        "langs": split_terms(langs),
        "provider": provider,
        "model": model,
        "words": words,
        "vocabulary": split_terms(vocabulary),
        "endpointing": parse_endpointing(endpointing),
        "partials": screen.wants_partials,
        "events": screen.wanted_events,
        "resume": resume,
        "store": not no_store,
    }
    client = make_client(url, token, cafile)
    try:
        if unsent:
            command = UnsentCommand(source, unsent_id)
            command.check()
            run_async(_handle_unsent(command, client, screen, as_json=as_json, send=send))
        elif unsent_id is not None:
            raise CommandError(f"unexpected argument {unsent_id!r}: one recording at a time", USAGE)
        elif source is None:
            microphone = _MicrophoneSource(rate)
            run_async(_dictate(microphone, config, screen, send, client), microphone.finish)
        else:
            run_async(_dictate(_RecordingSource(source, rate, fast), config, screen, send, client))
    finally:
        screen.close()


async def _handle_unsent(
    command: UnsentCommand, client: "PromptClient", screen: "Screen", *, as_json: bool, send: bool
) -> None:
    async with client:
        finals = await command.run(client, screen, as_json=as_json)
    if send and finals:
        await _ask_model(finals, client, screen)


async def _dictate(
    source: "_MicrophoneSource | _RecordingSource",
    config: dict[str, Any],
    screen: "Screen",
    send: bool,
    client: "PromptClient",
) -> None:
    import asyncio

    finals: list[Event] = []
    async with client, aclosing(source.dictate(client, config, screen)) as events:
        # Beside the dictation: the server may have to look for models first.
        teller = asyncio.ensure_future(_tell_who_answers(client, screen)) if send else None
        try:
            async for event in events:
                screen.show(event)
                if event.type == "final" and event.text:
                    finals.append(event)
            if teller is not None and finals:
                await teller  # a short recording may be over before it is known who answers
        finally:
            if teller is not None:
                teller.cancel()
    if send:
        if not finals:
            raise CommandError("nothing was understood, so nothing was sent")
        await _ask_model(finals, client, screen)


async def _ask_model(finals: "list[Event]", client: "PromptClient", screen: "Screen") -> None:
    from app.client.events import join_finals

    async with client:
        async for piece in client.generate_stream(join_finals(finals), on_status=screen.wait):
            screen.answer(piece)
        screen.end_answer()


async def _tell_who_answers(client: "PromptClient", screen: "Screen") -> None:
    """Say at the start who will answer, or that nobody can: else that is found out after the prompt was spoken."""
    from app.client.errors import ClientError

    with suppress(ClientError):  # the dictation or the answer says what is wrong
        line, can_answer = describe_answering((await client.providers())["llm"])
        screen.tell(line, is_urgent=not can_answer)


def describe_answering(providers: Sequence[Mapping[str, Any]]) -> tuple[str, bool]:
    """Return who answers prompts that name no model, and whether it can; `providers` as the server lists them."""
    chosen = next((item for item in providers if item.get("chosen") or item["default"]), None)
    if chosen is None:
        return (
            "nothing will be answered: no model is connected; `prompter providers` lists what there is",
            False,
        )
    name = chosen.get("title") or chosen["name"]
    if not chosen["default"]:
        state = str(chosen["status"]).replace("_", " ")
        return f"nothing will be answered: {name} is {state}; {chosen['description']}", False
    if chosen["type"] == "mock":
        return "what you say is only repeated: no model is connected", True
    model = chosen.get("model")
    return f"answers come from {name}{f', {model}' if model else ''}", True


@dataclass(frozen=True, slots=True)
class _RecordingSource:
    """A file, or a pipe, which sets its own pace."""

    name: str
    raw_rate: int
    fast: bool

    def dictate(
        self,
        client: "PromptClient",
        config: dict[str, Any],
        screen: "Screen",  # noqa: ARG002  # the microphone has more to tell
    ) -> "AsyncGenerator[Event, None]":
        chunks, sample_rate = self.open()
        return client.dictate(chunks, sample_rate=sample_rate, **config)

    def open(self) -> "tuple[Chunks, int]":
        from app.client.pacing import paced
        from app.client.recordings import open_pipe, open_recording

        if self.name == "-":
            source = open_pipe(sys.stdin.buffer, self.raw_rate)
            return source.chunks, source.sample_rate
        source = open_recording(Path(self.name))
        return (source.chunks if self.fast else paced(source.chunks, source.sample_rate)), source.sample_rate


class _MicrophoneSource:
    """The microphone, until Enter or Ctrl-C is pressed. It is recorded until its text is stored."""

    def __init__(self, sample_rate: int) -> None:
        import asyncio

        self._sample_rate = sample_rate
        self._ended = asyncio.Event()

    def finish(self) -> bool:
        """End the recording; return whether it went on."""
        if self._ended.is_set():
            return False
        self._ended.set()
        return True

    def dictate(
        self, client: "PromptClient", config: dict[str, Any], screen: "Screen"
    ) -> "AsyncGenerator[Event, None]":
        from app.cli.microphone import record_microphone

        chunks = record_microphone(
            self._sample_rate, self._ended, lambda line: screen.tell(line, is_urgent=False)
        )
        if not config["store"]:
            return client.dictate(chunks, sample_rate=self._sample_rate, **config)
        options = {name: value or None for name, value in config.items() if name not in ("resume", "store")}
        options |= {"partials": config["partials"], "sample_rate": self._sample_rate}
        return dictate_recorded(client, chunks, options, screen)


def split_terms(given: list[str] | None) -> list[str]:
    """Return the terms of comma-separated and repeated options as one list."""
    return [term.strip() for part in given or () for term in part.split(",") if term.strip()]


def parse_endpointing(given: str | None) -> str | dict[str, int] | None:
    """Return an endpointing profile's name, or the silence in ms that was given.

    Raises:
        CommandError: it is neither.
    """
    if given is None or given in ENDPOINTING_PROFILES:
        return given
    if given.isdecimal():
        return {"silence_ms": int(given)}
    raise CommandError(
        f"--endpointing {given!r}: expected {', '.join(ENDPOINTING_PROFILES)}, or a silence in ms", USAGE
    )

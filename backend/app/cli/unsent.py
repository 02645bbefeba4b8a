"""Speech of the microphone that no server has stored yet: recorded while one dictates, listed, sent, discarded."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

from app.cli.common import REFUSED, USAGE, CommandError, note_console, result_console

if TYPE_CHECKING:
    import asyncio

    from app.cli.screen import Screen
    from app.client.events import Event
    from app.client.prompt_client import PromptClient
    from app.client.recorded_audio import RecordedAudio
    from app.client.unsent import Recording, UnsentItem, UnsentSpeech

SEND_IT = "prompter dictate --unsent send"
_BOUNDS = {
    "recording": "in a minute there is an hour of unsent speech here, and the recording ends: finish your sentence",
    "full": f"there is an hour of unsent speech here: the recording has ended. Send it: {SEND_IT}",
    "local_disk": "the disk of this machine is nearly full: a crash could soon cost what you say",
    None: "there is room again for what you say",
}
"""What is said of each bound of this machine."""


# -- while one dictates


async def dictate_recorded(
    client: "PromptClient",
    chunks: AsyncIterator[bytes],
    config: dict[str, Any],
    screen: "Screen",
) -> AsyncGenerator["Event", None]:
    """Record what the microphone gives, and send it; yield the events of the dictation.

    What has no text when it ends, however it ends, stays on this machine, and the person is told.
    """
    import asyncio

    from app.client.errors import ClientError
    from app.client.prompt_client import make_start
    from app.client.recorded_audio import RecordedAudio
    from app.client.unsent import UnsentSpeech

    store = UnsentSpeech()
    others = store.list_items()
    tell_waiting([item for item in others if item.belongs_to(client.url, client.owner)], screen)
    try:
        recording = store.create(
            url=client.url, owner=client.owner, rate_hz=config["sample_rate"], start=make_start(**config)
        )
    except OSError as error:
        raise CommandError(
            f"what you say cannot be kept on this machine ({error.strerror}); --no-store dictates without"
        ) from error
    audio = RecordedAudio(recording, others_s=sum(item.left_ms for item in others) / 1000)
    audio.on_limit = lambda name: screen.tell(_BOUNDS[name], is_urgent=True)
    audio.on_away = _Away(audio, screen).tell
    recorder = asyncio.ensure_future(audio.record(chunks))
    is_whole = False
    try:
        async with aclosing(client.dictate_recorded(audio)) as events:
            async for event in events:
                if event.type == "ready" and not recording.progress.user_id:
                    await _note_user(client, recording)
                yield event
        is_whole = audio.failure is None
    except ClientError:
        if audio.failure is None:
            raise
    finally:
        await _end(recorder)
        _close(recording, screen, is_whole=is_whole)
    if audio.failure is not None:
        raise audio.failure


async def _note_user(client: "PromptClient", recording: "Recording") -> None:
    from app.client.errors import ClientError

    with suppress(ClientError):  # a list then shows no name
        user = await client.whoami()
        recording.note(user_id=str(user["id"]), user=str(user["name"]))


async def _end(recorder: "asyncio.Future[None]") -> None:
    import asyncio

    recorder.cancel()
    await asyncio.wait([recorder])
    if not recorder.cancelled():
        recorder.exception()  # marks it as retrieved


def _close(recording: "Recording", screen: "Screen", *, is_whole: bool) -> None:
    left_ms = 0 if is_whole else recording.to_ms(recording.left_bytes)
    if left_ms == 0:
        recording.remove()
        return
    if not recording.is_on_disk:
        screen.tell("the disk of this machine is full: not all of what you said is kept", is_urgent=True)
    screen.tell(f"{format_length(left_ms)} of speech are kept here; send it: {SEND_IT}", is_urgent=True)
    recording.leave()


class _Away:
    """Says that there is no server, and that it is back: once each, and at a terminal how much is recorded."""

    def __init__(self, audio: "RecordedAudio", screen: "Screen") -> None:
        self._audio = audio
        self._screen = screen
        self._is_away = False

    def tell(self, is_away: bool) -> None:  # the one thing that is told
        recording = self._audio.recording
        if is_away:
            if not self._is_away:
                self._screen.tell(
                    "not connected: recording here; it is sent when the server is back", is_urgent=True
                )
            length = format_length(recording.to_ms(recording.left_bytes))
            self._screen.wait({"state": "recording", "length": length})
        elif self._is_away:
            self._screen.wait({})
            length = format_length(recording.to_ms(recording.left_bytes))
            self._screen.tell(f"connected again: sending {length} of what you said", is_urgent=True)
        self._is_away = is_away


def tell_waiting(items: "Sequence[UnsentItem]", screen: "Screen") -> None:
    """Say that there is speech of earlier."""
    idle = [item for item in items if not item.is_busy]
    if idle:
        length = format_length(sum(item.left_ms for item in idle))
        screen.tell(f"{length} of unsent speech are kept here; send it: {SEND_IT}", is_urgent=True)


# -- later


@dataclass(frozen=True, slots=True)
class UnsentCommand:
    """`prompter dictate --unsent [send|discard [ID]]`."""

    action: str | None
    wanted: str | None

    def check(self) -> None:
        """Raises CommandError where it is no such command."""
        if self.action not in (None, "send", "discard"):
            raise CommandError(f"--unsent {self.action}: expected send or discard, or nothing to list", USAGE)

    async def run(self, client: "PromptClient", screen: "Screen", *, as_json: bool) -> list["Event"]:
        """List, send or discard; return the finals of what was sent.

        Raises:
            CommandError: there is no such recording, or it is another server's or account's.
            ClientError: it could not be sent, and is kept.
        """
        from app.client.unsent import UnsentSpeech

        store = UnsentSpeech()
        items = store.list_items()
        if self.action is None:
            show_list(items, as_json=as_json)
            return []
        if self.wanted is not None:
            items = self._choose(items)
        if self.action == "discard":
            self._discard(store, items, client)
            return []
        return await self._send(store, items, client, screen)

    def _choose(self, items: "list[UnsentItem]") -> "list[UnsentItem]":
        found = [item for item in items if item.id.startswith(self.wanted or "")]
        if len(found) != 1:
            known = ", ".join(item.id for item in items) or "none"
            raise CommandError(f"{self.wanted!r} names no one recording; there are: {known}", USAGE)
        return found

    def _discard(self, store: "UnsentSpeech", items: "list[UnsentItem]", client: "PromptClient") -> None:
        if self.wanted is None:
            items = [item for item in items if item.belongs_to(client.url, client.owner)]
            if len(items) > 1:
                known = ", ".join(item.id for item in items)
                raise CommandError(f"several recordings are unsent, name one: {known}", USAGE)
        for item in items:
            store.open(item.id).remove()
            _note(f"discarded {format_length(item.left_ms)} of {format_time(item.about.started_at)}")
        if not items:
            _note("nothing is unsent")

    async def _send(
        self,
        store: "UnsentSpeech",
        items: "list[UnsentItem]",
        client: "PromptClient",
        screen: "Screen",
    ) -> list["Event"]:
        from app.client.unsent import RecordingBusy

        mine = [item for item in items if item.belongs_to(client.url, client.owner)]
        if items and not mine and client.owner:  # a key tells its user only when it is asked
            user_id = str((await client.whoami())["id"])
            mine = [item for item in items if item.belongs_to(client.url, f"user:{user_id}")]
        if self.wanted is not None and not mine:
            raise CommandError(
                f"{items[0].id} was spoken to {describe_place(items[0])}; name that server with --url, and its "
                "account with --token",
                REFUSED,
            )
        finals: list[Event] = []
        sent = 0
        for item in mine:
            try:
                recording = store.open(item.id)
            except RecordingBusy as error:
                _note(str(error))
                continue
            sent += 1
            finals += await _send_one(recording, client, screen)
        others = len(items) - len(mine)
        if not sent:
            _note("nothing is unsent" if not others else "nothing is unsent for this server and account")
        if others:
            _note(f"unsent for other servers or accounts: {others}; `prompter dictate --unsent` lists them")
        return finals


async def _send_one(recording: "Recording", client: "PromptClient", screen: "Screen") -> list["Event"]:
    from app.client.recorded_audio import RecordedAudio

    finals = []
    is_whole = False
    shown = {"partials": screen.wants_partials, "events": list(screen.wanted_events)}
    try:
        async with aclosing(client.dictate_recorded(RecordedAudio(recording), **shown)) as events:
            async for event in events:
                screen.show(event)
                if event.type == "final" and event.text:
                    finals.append(event)
        is_whole = True
    finally:
        _close(recording, screen, is_whole=is_whole)
    return finals


def show_list(items: "Sequence[UnsentItem]", *, as_json: bool) -> None:
    """Write what is unsent: when it was said, how long it is, and to whom."""
    if as_json:
        typer.echo(json.dumps([describe_item(item) for item in items]))
        return
    if not items:
        _note("nothing is unsent")
    for item in items:
        busy = "  (in use)" if item.is_busy else ""
        line = (
            f"{item.id}  {format_time(item.about.started_at)}  {format_length(item.left_ms):>8}  "
            f"{describe_place(item)}{busy}"
        )
        result_console().print(line, markup=False)


def describe_item(item: "UnsentItem") -> dict[str, Any]:
    """A recording as --json has it."""
    return {
        "id": item.id,
        "started_at": item.about.started_at,
        "left_ms": item.left_ms,
        "url": item.about.url,
        "user": item.progress.user or None,
        "in_use": item.is_busy,
    }


def describe_place(item: "UnsentItem") -> str:
    """The server, and the account where it is known."""
    if item.progress.user:
        return f"{item.about.url} as {item.progress.user}"
    return item.about.url


def format_length(ms: int) -> str:
    """How long speech is, as `42 s` or `3 min 12 s`."""
    seconds = max(round(ms / 1000), 1)
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"


def format_time(started_at: str) -> str:
    """When it was said, in local time."""
    return f"{datetime.fromisoformat(started_at).astimezone():%Y-%m-%d %H:%M}"


def _note(line: str) -> None:
    note_console().print(line, style="dim", markup=False)

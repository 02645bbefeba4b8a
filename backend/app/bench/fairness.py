"""Fairness: what one speaker gets while another client sends audio as fast as the server takes it."""

from collections.abc import Sequence

import anyio

from app.bench.clips import Clip, samples_of, scene
from app.bench.figures import BenchError, Figure, Part, quantile, spread
from app.bench.scoring import Score, score
from app.bench.speaker import Speech, Take, speak
from app.bench.target import Target
from app.client.prompt_client import PromptClient

SHARE = 1.5
FLOOD_UTTERANCES = 40
"""A flood of minutes of speech in one go; begun anew for as long as the other one speaks."""


async def fairness(target: Target, clips: Sequence[Clip], speech: Speech, *, utterances: int = 12) -> Part:
    """One speaker alone, then the same beside a flood.

    Raises:
        BenchError: the speaker alone got no final.
    """
    talking = [(clip, samples_of(clip)) for clip in clips if clip.speech]
    said = scene(talking, utterances, 0)
    lang = said.lines[0].clip.lang
    async with PromptClient(target.url) as client:
        alone = score(await speak(client, said.samples, speech), lang)
        beside = Take()
        flood = scene(talking, FLOOD_UTTERANCES, 1)
        floods: list[Take] = []

        async def flooding() -> None:
            while True:
                floods.append(await speak(client, flood.samples, speech, live=False, tail_s=0))
                if floods[-1].failure is not None:
                    await anyio.sleep(1)  # a refusal is an answer too; ask again like a stubborn client

        async with anyio.create_task_group() as group:
            group.start_soon(flooding)
            beside = await speak(client, said.samples, speech)
            group.cancel_scope.cancel()
    return Part("fairness", tuple(figures_of(alone, score(beside, lang))), {"floods_ended": len(floods)})


def figures_of(alone: Score, beside: Score) -> list[Figure]:
    """The waits alone and beside the flood, and the second against what it may be.

    Raises:
        BenchError: nobody got a final.
    """
    if not alone.to_final_ms:
        raise BenchError("the speaker alone got no final; is the language right (--lang)?")
    decode_ms = max(alone.decode_ms + beside.decode_ms)
    allowed_ms = SHARE * quantile(alone.to_final_ms, 0.95) + decode_ms
    found = [
        *spread("fairness.alone", "end of speech to final, alone", alone.to_final_ms),
        *spread("fairness.beside", "the same beside a flood", beside.to_final_ms, p95_goal=round(allowed_ms)),
    ]
    lost = max(len(alone.to_final_ms) - len(beside.to_final_ms), 0)
    return [
        *found,
        Figure("fairness.lost", "finals that the flood cost", "", "count", (float(lost),), goal=0),
    ]

"""Fairness: the latency of one speaker while another client floods the server with audio."""

from collections.abc import Sequence

import anyio

from app.bench.clips import Clip, build_scene, load_samples
from app.bench.figures import BenchError, Figure, Part, compute_quantile, make_quantiles
from app.bench.scoring import Score, score_session
from app.bench.speaker import SessionLog, SessionOptions, speak
from app.bench.target import Target
from app.client.prompt_client import PromptClient

SHARE = 1.5
FLOOD_UTTERANCES = 40
"""Utterances of one flood, sent at once; a new flood follows while the speaker speaks."""


async def measure_fairness(
    target: Target, clips: Sequence[Clip], speech: SessionOptions, *, utterances: int = 12
) -> Part:
    """Measure one speaker alone, then the same speaker beside a flood.

    Raises:
        BenchError: the speaker alone got no final.
    """
    talking = [(clip, load_samples(clip)) for clip in clips if clip.speech]
    said = build_scene(talking, utterances, 0)
    lang = said.lines[0].clip.lang
    async with PromptClient(target.url) as client:
        alone = score_session(await speak(client, said.samples, speech), lang)
        beside = SessionLog()
        flood = build_scene(talking, FLOOD_UTTERANCES, 1)
        floods: list[SessionLog] = []

        async def flooding() -> None:
            while True:
                floods.append(await speak(client, flood.samples, speech, live=False, tail_s=0))
                if floods[-1].failure is not None:
                    await anyio.sleep(1)  # refused: try again, as a stubborn client does

        async with anyio.create_task_group() as group:
            group.start_soon(flooding)
            beside = await speak(client, said.samples, speech)
            group.cancel_scope.cancel()
    return Part(
        "fairness", tuple(make_figures(alone, score_session(beside, lang))), {"floods_ended": len(floods)}
    )


def make_figures(alone: Score, beside: Score) -> list[Figure]:
    """Figures of both waits; the goal beside the flood is 1.5 times the wait alone plus one decode.

    Raises:
        BenchError: the speaker alone got no final.
    """
    if not alone.to_final_ms:
        raise BenchError("the speaker alone got no final; is the language right (--lang)?")
    decode_ms = max(alone.decode_ms + beside.decode_ms)
    allowed_ms = SHARE * compute_quantile(alone.to_final_ms, 0.95) + decode_ms
    found = [
        *make_quantiles("fairness.alone", "end of speech to final, alone", alone.to_final_ms),
        *make_quantiles(
            "fairness.beside", "the same beside a flood", beside.to_final_ms, p95_goal=round(allowed_ms)
        ),
    ]
    lost = max(len(alone.to_final_ms) - len(beside.to_final_ms), 0)
    return [
        *found,
        Figure("fairness.lost", "finals that the flood cost", "", "count", (float(lost),), goal=0),
    ]

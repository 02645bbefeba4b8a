"""The VAD gates: what they call speech, and that neither chunks nor silence before it change that."""

import numpy as np
import pytest

from app.services.audio.endpointing import FRAME_SAMPLES
from app.services.audio.vad_gate import VAD_GATES, TwoStepGate, VadGateName
from tests.support.speech_client import load_speech

SENTENCE = load_speech()
SPEECH = SENTENCE[: len(SENTENCE) // FRAME_SAMPLES * FRAME_SAMPLES]


@pytest.mark.parametrize("name", VAD_GATES)
def test_silence_is_no_speech_and_speech_is(name: VadGateName) -> None:
    silence = np.zeros(40 * FRAME_SAMPLES, np.int16)
    assert VAD_GATES[name]().probabilities(silence).max() < 0.1
    found = VAD_GATES[name]().probabilities(SPEECH)
    assert len(found) == len(SPEECH) // FRAME_SAMPLES
    assert (found >= 0.5).mean() > 0.4


@pytest.mark.parametrize("name", VAD_GATES)
@pytest.mark.parametrize("frames", [1, 3, 17])
def test_the_cut_does_not_change_the_probabilities(name: VadGateName, frames: int) -> None:
    whole = VAD_GATES[name]().probabilities(SPEECH)
    gate, step = VAD_GATES[name](), frames * FRAME_SAMPLES
    parts = [gate.probabilities(SPEECH[at : at + step]) for at in range(0, len(SPEECH), step)]
    assert np.allclose(np.concatenate(parts), whole, atol=1e-4)


def test_long_silence_leaves_no_trace_in_the_gate() -> None:
    """Silero is reset when the gate opens: speech after a minute of silence is judged as after two seconds."""
    results = []
    for seconds in (2, 60):
        gate = TwoStepGate()
        gate.probabilities(np.zeros(seconds * 16_000 // FRAME_SAMPLES * FRAME_SAMPLES, np.int16))
        results.append(gate.probabilities(SPEECH))
    assert np.allclose(results[0], results[1], atol=1e-3)

"""How PocketSphinx searches and in which pieces it hears audio; reasons and figures are in decision 0002."""

SAMPLE_RATE_HZ = 16_000
BYTES_PER_SAMPLE = 2
FRAME_MS = 10
"""One step of the decoder: word times are counted in these."""

BLOCK_SAMPLES = 1536
"""The piece the decoder hears at a time (96 ms, three frames of the speech gate), counted from
the utterance's first sample. The cepstral mean moves after a piece, so pieces must not depend on how a client cuts
its audio."""

BLOCK_BYTES = BLOCK_SAMPLES * BYTES_PER_SAMPLE

PRIME_BYTES = 11 * BLOCK_BYTES
"""Beginning of a dictation's first utterance from which the cepstral mean is estimated (1.06 s)."""

RESET_BYTES = 2 * BLOCK_BYTES
"""Digital silence decoded before each utterance: it overwrites the top-N codewords that the acoustic model
carries over from the utterance before (the binding has no call for that). Without it 17 of 18 repeated
decodes differ in score, with 100 ms or more none."""

SEARCH: dict[str, float | int | bool] = {
    "maxhmmpf": 3000,
    "topn": 2,
    "fwdflat": False,
    "bestpath": True,
}
"""Options of `pocketsphinx.Decoder` that differ from its defaults."""

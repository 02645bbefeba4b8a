"""A finished run of the benchmark with two parts: a dictation of one final, and one level of capacity."""

from app.bench.figures import Figure, Part, make_quantiles
from app.bench.report import Run

TIMING = {"received_ms": 2700, "speech_end_ms": 2000, "endpoint_ms": 600, "queue_ms": 30, "decode_ms": 60}
LEVEL = {
    "speakers": 2, "spoken": 14, "lost": 1, "refused": 0, "to_final_ms": [650.0, 700.0, 3000.0], "p95_ms": 3000.0,
    "words_wrong": 3, "words": 60, "cores": 0.21, "memory_mb": 210.4,
}  # fmt: skip
RUN = Run(
    "2026-01-02T03:04:05+00:00",
    "prompter bench run samples",
    {"cores": 2},
    {"provider": "fake"},
    (
        Part(
            "dictation",
            (*make_quantiles("dictation.to_final", "end of speech to final", [650, 900], p95_goal=800),
             Figure("dictation.wer", "words wrong", "%", "share", (100.0,), (8.0,), goal=20)),
            {"clips": [{"timing": [TIMING]}]},
        ),
        Part("capacity", (Figure("capacity.speakers", "speakers", "", "value", (), better="higher"),),
             {"levels": [LEVEL]}),
    ),
)  # fmt: skip

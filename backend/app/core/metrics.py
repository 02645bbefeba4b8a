"""The metrics of one application, in Prometheus' format. They hold no text, no client's label and no address."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from app.core.discard_reasons import OTHER_REASON, DiscardReason

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_DISCARD_REASONS = frozenset(DiscardReason)

_LATENCY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.7, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
"""Buckets (s). The project's latency goals are edges, so a query gives their exact shares."""

_APPEND_S = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_REAL_TIME_FACTOR = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 5.0)


class Observer:
    """The metrics of one application, in a registry of its own. A call takes microseconds and never waits.

    Providers' names and error codes are labels: both are few, since they come from the registry of engines and the
    tree of errors, never from a client.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._make_counts()
        self._make_times()
        self.tier = TierMetrics(self.registry)
        """Of the decode workers."""

    # -- what the application reports

    def count_session(self, provider: str) -> None:
        """A dictation begins."""
        self._sessions.labels(provider).inc()

    def time_first_partial(self, provider: str, onset_s: float) -> None:
        """An utterance's first partial, `onset_s` after its speech began."""
        self._first_partial.labels(provider).observe(onset_s)

    def time_partial(self, provider: str, lag_s: float) -> None:
        """A partial, `lag_s` after the last sample that it covers came in."""
        self._partial_lag.labels(provider).observe(lag_s)

    def time_final(self, provider: str, timing: Mapping[str, Any], speech_ms: int) -> None:
        """A final with the `timing` that its client gets (ms). Endpoint, queue and decode add up to its latency."""
        endpoint_s, queue_s, decode_s = (timing[part] / 1000 for part in PARTS)
        self._utterances.labels(provider).inc()
        self._endpoint.labels(provider).observe(endpoint_s)
        self._queue.labels(provider).observe(queue_s)
        self._decode.labels(provider).observe(decode_s)
        self._to_final.labels(provider).observe(endpoint_s + queue_s + decode_s)
        if speech_ms > 0:
            self._real_time.labels(provider).observe(decode_s * 1000 / speech_ms)

    def count_utterance(self, provider: str) -> None:
        """A final of an engine that finds utterances by itself."""
        self._utterances.labels(provider).inc()

    def count_discarded(self, provider: str, reason: str) -> None:
        """An utterance that came to nothing. A reason beside DiscardReason is counted as OTHER_REASON."""
        self._utterances.labels(provider).inc()
        self._discarded.labels(provider, reason if reason in _DISCARD_REASONS else OTHER_REASON).inc()

    def count_shed_partial(self) -> None:
        """A partial gave way to more urgent work, or to a newer one."""
        self._shed.inc()

    def count_moved_session(self) -> None:
        """This server goes on with a session of another one."""
        self._moved.inc()

    def time_session_append(self, took_s: float) -> None:
        """What had come to live sessions is written to the database, for other servers."""
        self._session_append.observe(took_s)

    def count_reconnect(self) -> None:
        """A client resumed its session."""
        self._reconnects.inc()

    def count_answer(self, provider: str, outcome: str) -> None:
        """The end of a language model's answer: "completed", "failed", or "left" where its client has left."""
        self._answers.labels(provider, outcome).inc()

    def time_first_token(self, provider: str, wait_s: float) -> None:
        """A streamed answer's first piece, `wait_s` after the request."""
        self._first_token.labels(provider).observe(wait_s)

    def count_error(self, code: str) -> None:
        """An error that a client of the speech socket got."""
        self._errors.labels(code).inc()

    def count_stored_finals(self, finals: int) -> None:
        """Finals that the database has stored."""
        self._stored.inc(finals)

    def count_lost_finals(self, finals: int) -> None:
        """Finals that will not be stored: the queue is full, or the database refuses them."""
        self._lost.inc(finals)

    def watch_unstored(self, waiting: Callable[[], float]) -> None:
        """Call `waiting` at each scrape: how many finals wait for the database."""
        self._unstored.set_function(waiting)

    def watch_sessions(self, going_on: Callable[[], float]) -> None:
        """Call `going_on` at each scrape: how many dictations go on. A counter of our own could drift."""
        self._open.set_function(going_on)

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Call `depth` at each scrape: how many decodes wait."""
        self._depth.set_function(depth)

    def render(self) -> bytes:
        """Everything in Prometheus' text format, of content type CONTENT_TYPE."""
        return generate_latest(_Plain(self.registry))

    # -- the metrics

    def _make_counts(self) -> None:
        self._open = self._gauge("sessions_open", "dictations that are going on")
        self._sessions = self._counter("sessions", "dictations begun", "provider")
        self._utterances = self._counter("utterances", "utterances that ended, discarded or not", "provider")
        self._discarded = self._counter(
            "utterances_discarded", "utterances that came to nothing", "provider", "reason"
        )
        self._depth = self._gauge("queue_depth", "decodes that wait for their turn")
        self._shed = self._counter("partials_shed", "partials that gave way to more urgent work")
        self._reconnects = self._counter("reconnects", "clients that came back to their session")
        self._moved = self._counter("sessions_moved", "sessions that this server took over from another one")
        self._answers = self._counter(
            "answers", "answers of language models, by how they ended", "provider", "outcome"
        )
        self._stored = self._counter("finals_stored", "finals kept in the database")
        self._lost = self._counter("finals_lost", "finals that should have been kept and were not")
        self._unstored = self._gauge("finals_unstored", "finals that wait for the database")
        self._errors = self._counter("errors", "errors told to clients of the speech socket", "code")

    def _make_times(self) -> None:
        self._first_partial = self._seconds(
            "time_to_first_partial", "from the beginning of speech to the first partial"
        )
        self._partial_lag = self._seconds(
            "partial_lag", "from the last audio that a partial covers to the partial"
        )
        self._endpoint = self._seconds("endpoint", "silence that was waited for after speech")
        self._queue = self._seconds("queue", "a final's wait for the engine")
        self._decode = self._seconds("decode", "a final's decoding")
        self._to_final = self._seconds("end_of_speech_to_final", "endpoint, queue and decode together")
        self._first_token = self._seconds(
            "time_to_first_token", "from a request for a streamed answer to its first piece"
        )
        self._real_time = Histogram(
            "prompter_real_time_factor", "seconds of decoding for a second of speech, finals alone",
            ("provider",), buckets=_REAL_TIME_FACTOR, registry=self.registry,
        )  # fmt: skip

        self._session_append = Histogram(
            "prompter_session_append_seconds", "writing what has come to live sessions, on PostgreSQL",
            buckets=_APPEND_S, registry=self.registry,
        )  # fmt: skip

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"prompter_{name}", meaning, registry=self.registry)

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"prompter_{name}", meaning, labels, registry=self.registry)

    def _seconds(self, name: str, meaning: str) -> Histogram:
        return Histogram(
            f"prompter_{name}_seconds", meaning, ("provider",), buckets=_LATENCY_S, registry=self.registry
        )


class TierMetrics:
    """What one server sees of its decode workers; all of it is 0 in a server that decodes by itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._workers = Gauge("prompter_tier_workers", "decode workers that answer", registry=registry)
        self._slots = Gauge(
            "prompter_tier_slots", "decodes that all decode workers together run at a time", registry=registry
        )
        self._running = Gauge(
            "prompter_tier_running", "calls of this server that run at decode workers", registry=registry
        )
        self._redone = Counter(
            "prompter_tier_redone", "decodes made again, since their worker was lost", registry=registry
        )
        self._lost = Counter(
            "prompter_tier_lost", "utterances given up, since workers died on them", registry=registry
        )
        self._decode = Histogram(
            "prompter_tier_decode_seconds", "a decode at a worker, the way there and back included",
            ("kind",), buckets=_LATENCY_S, registry=registry,
        )  # fmt: skip
        self._wait = Histogram(
            "prompter_tier_wait_seconds", "a decode's wait at its worker, behind those of other servers",
            ("kind",), buckets=_LATENCY_S, registry=registry,
        )  # fmt: skip

    def watch(
        self, *, workers: Callable[[], float], slots: Callable[[], float], running: Callable[[], float]
    ) -> None:
        """Call these functions at each scrape."""
        self._workers.set_function(workers)
        self._slots.set_function(slots)
        self._running.set_function(running)

    def count_redone(self) -> None:
        """A decode is made again by another worker."""
        self._redone.inc()

    def count_lost(self) -> None:
        """An utterance is given up."""
        self._lost.inc()

    def time_decode(self, kind: str, took_s: float, waited_s: float) -> None:
        """A decode of this priority is back."""
        self._decode.labels(kind).observe(took_s)
        self._wait.labels(kind).observe(waited_s)


PARTS = ("endpoint_ms", "queue_ms", "decode_ms")
"""The parts of the time between the end of speech and its final, in this order."""


class _Plain(Collector):
    """A registry without the `_created` times, which would double the number of lines.

    The library itself can leave them out only for all registries of a process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

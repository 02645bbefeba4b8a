"""What an application counts: each hook moves just its own figures, and applications share none."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from app.core.metrics import Observer

ROOT = Path(__file__).resolve().parents[3]
TIMING = {"speech_end_ms": 2000, "endpoint_ms": 600, "queue_ms": 30, "decode_ms": 120}


def values(observer: Observer) -> dict[str, float]:
    """Every sample as Prometheus reads it: `name{label="x"}` -> value."""
    found = {}
    for family in text_string_to_metric_families(observer.render().decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_sessions_are_counted_while_open_and_in_all() -> None:
    observer = Observer()
    going_on = ["one"]
    observer.watch_sessions(lambda: len(going_on))
    observer.count_session("fake")
    observer.count_session("fake")
    assert values(observer)["prompter_sessions_open"] == 1
    assert values(observer)['prompter_sessions_total{provider="fake"}'] == 2


def test_the_parts_of_a_final_add_up() -> None:
    observer = Observer()
    observer.time_final("fake", TIMING, 2400)
    found = values(observer)
    parts = [
        found[f'prompter_{part}_seconds_sum{{provider="fake"}}'] for part in ("endpoint", "queue", "decode")
    ]
    assert parts == [0.6, 0.03, 0.12]
    assert found['prompter_end_of_speech_to_final_seconds_sum{provider="fake"}'] == sum(parts)
    assert found['prompter_real_time_factor_sum{provider="fake"}'] == 0.05
    assert found['prompter_utterances_total{provider="fake"}'] == 1


def test_a_final_without_speech_has_no_real_time_factor() -> None:
    observer = Observer()
    observer.time_final("fake", TIMING, 0)
    found = values(observer)
    assert found['prompter_end_of_speech_to_final_seconds_count{provider="fake"}'] == 1
    assert 'prompter_real_time_factor_count{provider="fake"}' not in found


def test_reasons_that_nobody_knows_share_one_label() -> None:
    """A plugin could invent one for each utterance."""
    observer = Observer()
    for reason in ("too_short", "the dog barked", "the cat mewed"):
        observer.count_discarded("fake", reason)
    found = values(observer)
    assert found['prompter_utterances_discarded_total{provider="fake",reason="too_short"}'] == 1
    assert found['prompter_utterances_discarded_total{provider="fake",reason="other"}'] == 2
    assert "dog" not in observer.render().decode()


def test_the_queue_is_read_when_asked_for() -> None:
    observer = Observer()
    waiting = [1, 2, 3]
    observer.watch_queue(lambda: len(waiting))
    assert values(observer)["prompter_queue_depth"] == 3
    waiting.clear()
    assert values(observer)["prompter_queue_depth"] == 0


def test_partials_errors_and_reconnects_are_counted() -> None:
    observer = Observer()
    observer.time_first_partial("fake", 0.8)
    observer.time_partial("fake", 0.2)
    observer.count_shed_partial()
    observer.count_reconnect()
    observer.count_error("invalid_json")
    found = values(observer)
    assert found['prompter_time_to_first_partial_seconds_sum{provider="fake"}'] == 0.8
    assert found['prompter_partial_lag_seconds_sum{provider="fake"}'] == 0.2
    assert found["prompter_partials_shed_total"] == 1
    assert found["prompter_reconnects_total"] == 1
    assert found['prompter_errors_total{code="invalid_json"}'] == 1


def test_two_applications_count_apart() -> None:
    one, other = Observer(), Observer()
    one.count_shed_partial()
    assert values(one)["prompter_partials_shed_total"] == 1
    assert values(other)["prompter_partials_shed_total"] == 0


def test_the_page_explains_every_metric() -> None:
    """The table of docs/performance.md has each name once, and no other."""
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(prompter_\w+)`", page, re.M)
    families = text_string_to_metric_families(Observer().render().decode())
    ours = [family for family in families if family.name.startswith("prompter_")]
    assert sorted(listed) == sorted(
        f"{family.name}_total" if family.type == "counter" else family.name for family in ours
    )

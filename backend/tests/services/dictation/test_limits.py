"""Which limit is told: the nearest, a minute before it bites, again every ten seconds, and not once it is far again."""

from app.providers.base import SAMPLE_RATE_HZ
from app.services.dictation.limits import BacklogForecast, Limit, LimitWatch


def test_a_limit_is_told_a_minute_before_it_bites() -> None:
    watch = LimitWatch()
    told = [
        (now, watch.told) for now in range(200) if watch.observe(now, {"session": 150.0 - now, "login": None})
    ]
    assert told[0] == (90, Limit("session", 60))
    assert [now for now, _ in told] == [90, 100, 110, 120, 130, 140, 150]
    assert told[-1] == (150, Limit("session", 0))


def test_what_no_longer_threatens_is_taken_back_once() -> None:
    watch = LimitWatch()
    assert watch.observe(0, {"backlog": 40.0})
    assert not watch.observe(1, {"backlog": 70.0})
    assert watch.observe(11, {"backlog": 70.0})
    assert watch.observe(12, {"backlog": 80.0})
    assert watch.told is None
    assert not watch.observe(13, {"backlog": 70.0})


def test_the_limit_that_bites_first_is_told_at_once() -> None:
    watch = LimitWatch()
    assert watch.observe(0, {"session": 50.0, "disk": None})
    assert watch.observe(1, {"session": 49.0, "disk": 5.5})
    assert watch.told == Limit("disk", 5)
    assert watch.observe(2, {"session": 48.0, "disk": 0.0})
    assert not watch.observe(30, {"session": 20.0, "disk": 0.0})


def test_who_uploads_a_recording_is_behind_and_is_not_warned() -> None:
    speaker, uploader = BacklogForecast(120), BacklogForecast(120)
    for now in range(100):
        spoken = now * SAMPLE_RATE_HZ
        left = speaker.predict(now, spoken, spoken)
        assert left == (None if now < 60 else 120 - now)
        assert uploader.predict(now, min(5 * spoken, 110 * SAMPLE_RATE_HZ), 5 * spoken) is None

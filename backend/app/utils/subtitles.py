"""Subtitles of utterances in SubRip (srt) and WebVTT (vtt)."""

from collections.abc import Sequence

from app.utils.cues import TimedUtterance, make_cues

VTT_HEAD = "WEBVTT\n"


def to_srt(utterances: Sequence[TimedUtterance]) -> str:
    """Write SubRip: numbered cues, times with a comma."""
    cues = [
        f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{cue.text}\n"
        for number, cue in enumerate(make_cues(utterances), start=1)
    ]
    return "\n".join(cues)


def to_vtt(utterances: Sequence[TimedUtterance]) -> str:
    """Write WebVTT: a header, times with a full stop, and escaped markup."""
    cues = []
    for cue in make_cues(utterances):
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        cues.append(f"\n{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}\n")
    return VTT_HEAD + "".join(cues)


def _clock(ms: int, mark: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{mark}{ms:03}"

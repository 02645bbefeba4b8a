"""Speaks the sentences through the libraries of flite and espeak-ng, which tell when each word is said."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from sentences import Sentence

Audio = npt.NDArray[np.float32]
RATE_HZ = 16000
PEAK = 0.5

_SYNCHRONOUS = 2
_RATE_PARAMETER, _PITCH_PARAMETER = 1, 3
_CHARACTER_POSITION, _UTF8 = 1, 1
_EVENT_LIST_END, _EVENT_WORD = 0, 1


@dataclass(frozen=True)
class Word:
    """A written word (its punctuation included) and its span in seconds."""

    text: str
    start_s: float
    end_s: float
    closes: bool
    """Whether it is the last word of its sentence."""


@dataclass(frozen=True)
class Clip:
    """Speech at 16 kHz with the times of its words."""

    lang: str
    audio: Audio
    words: tuple[Word, ...]
    weight: float = 1.0

    @property
    def seconds(self) -> float:
        """Length of the audio."""
        return len(self.audio) / RATE_HZ


class _EspeakEvent(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_EspeakCallback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_EspeakEvent)
)


@dataclass
class Espeak:
    """libespeak-ng, which reports the start of each word while it speaks."""

    _pcm: list[npt.NDArray[np.int16]] = field(default_factory=list)
    _starts: list[tuple[int, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self._rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
        # Kept on the object: ctypes does not hold a callback for the library.
        self._callback = _EspeakCallback(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, pcm: Any, count: int, events: Any) -> int:
        if pcm and count > 0:
            self._pcm.append(np.ctypeslib.as_array(pcm, (count,)).copy())
        index = 0
        while events[index].type != _EVENT_LIST_END:
            # Position 0 is an event without a word, which some sentences end with; positions count from 1.
            if events[index].type == _EVENT_WORD and events[index].text_position > 0:
                self._starts.append((events[index].text_position - 1, events[index].audio_position / 1000))
            index += 1
        return 0

    def speak(self, sentence: Sentence, voice: str, wpm: int = 165, pitch: int = 50) -> Clip:
        """Speaks one sentence; words that run into each other share their span by their letters."""
        self._pcm.clear()
        self._starts.clear()
        text = sentence.spoken
        data = text.encode()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        self._library.espeak_SetParameter(_RATE_PARAMETER, wpm, 0)
        self._library.espeak_SetParameter(_PITCH_PARAMETER, pitch, 0)
        self._library.espeak_Synth(data, len(data) + 1, 0, _CHARACTER_POSITION, 0, _UTF8, None, None)
        audio = _at_16k(np.concatenate(self._pcm), self._rate_hz)
        return _clip(sentence, audio, _spans_from_starts(text, self._starts, _sound_end_s(audio)))


class _FliteVoice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class _FliteWave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


_POINTER, _STRING, _FLOAT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float
_FLITE_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "flite_synth_text": (_POINTER, (_STRING, _POINTER)),
    "flite_feat_set_float": (None, (_POINTER, _STRING, _FLOAT)),
    "flite_ffeature_float": (_FLOAT, (_POINTER, _STRING)),
    "utt_relation": (_POINTER, (_POINTER, _STRING)),
    "relation_head": (_POINTER, (_POINTER,)),
    "item_next": (_POINTER, (_POINTER,)),
    "utt_wave": (ctypes.POINTER(_FliteWave), (_POINTER,)),
    "delete_utterance": (None, (_POINTER,)),
}

_OWN_STRETCH = {"kal16": 1.1}
"""The tempo at which a flite voice speaks by default, where that is not 1."""


class Flite:
    """libflite, whose utterances carry the times of their segments."""

    _WORD_START = b"R:SylStructure.daughter1.daughter1.R:Segment.p.end"
    _WORD_END = b"R:SylStructure.daughtern.daughtern.R:Segment.end"

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libflite.so.1", mode=ctypes.RTLD_GLOBAL)
        for name in ("usenglish", "cmulex"):
            ctypes.CDLL(f"libflite_{name}.so.1", mode=ctypes.RTLD_GLOBAL)
        for name, (result, arguments) in _FLITE_FUNCTIONS.items():
            function = getattr(self._library, name)
            function.restype, function.argtypes = result, arguments
        self._library.flite_init()
        self._voices: dict[str, Any] = {}

    def _voice(self, name: str) -> Any:
        if name not in self._voices:
            register: Callable[..., Any] = getattr(
                ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}"
            )
            register.restype = ctypes.POINTER(_FliteVoice)  # type: ignore[attr-defined]  # a ctypes function
            self._voices[name] = register(None)
        return self._voices[name]

    def speak(self, sentence: Sentence, voice: str, stretch: float = 1.0) -> Clip:
        """Speaks one sentence; a stretch above 1 is slower than the voice's own tempo."""
        stretch *= _OWN_STRETCH.get(voice, 1.0)
        library, speaker = self._library, self._voice(voice)
        library.flite_feat_set_float(speaker.contents.features, b"duration_stretch", stretch)
        utterance = library.flite_synth_text(sentence.spoken.encode(), speaker)
        spans: list[tuple[float, float]] = []
        item = library.relation_head(library.utt_relation(utterance, b"Word"))
        while item:
            start_s = library.flite_ffeature_float(item, self._WORD_START)
            spans.append((start_s, library.flite_ffeature_float(item, self._WORD_END)))
            item = library.item_next(item)
        wave = library.utt_wave(utterance).contents
        pcm = np.ctypeslib.as_array(wave.samples, (wave.num_samples,)).copy()
        audio = _at_16k(pcm, wave.sample_rate)
        library.delete_utterance(utterance)
        return _clip(sentence, audio, spans)


def _at_16k(pcm: npt.NDArray[np.int16], rate_hz: int) -> Audio:
    audio = pcm.astype(np.float64) / 32768
    audio *= PEAK / np.max(np.abs(audio))
    return np.asarray(soxr.resample(audio, rate_hz, RATE_HZ), dtype=np.float32)


def _sound_end_s(audio: Audio) -> float:
    loud = np.flatnonzero(np.abs(audio) > 0.01)
    return float(loud[-1]) / RATE_HZ


def _spans_from_starts(text: str, starts: list[tuple[int, float]], end_s: float) -> list[tuple[float, float]]:
    """Gives each spoken word the time from its own start to the next one's."""
    offsets, position = [], 0
    for word in text.split():
        position = text.index(word, position)
        offsets.append((position, word))
        position += len(word)
    spans: list[tuple[float, float]] = []
    for index, (at, start_s) in enumerate(starts):
        until, stop_s = starts[index + 1] if index + 1 < len(starts) else (len(text) + 1, end_s)
        # The first event also takes an opening mark before it, which is not counted as part of the word.
        words = [
            word for offset, word in offsets if (offset >= at or at - offset == 1) and offset + 1 < until
        ]
        letters = sum(map(len, words))
        for word in words:
            share_s = (stop_s - start_s) * len(word) / letters
            spans.append((start_s, start_s + share_s))
            start_s += share_s
    return spans


def _clip(sentence: Sentence, audio: Audio, spans: list[tuple[float, float]]) -> Clip:
    """Joins the spans of the spoken words into those of the written ones."""
    said = dict(sentence.spoken_as)
    words: list[Word] = []
    written = sentence.text.split()
    at = 0
    for index, word in enumerate(written):
        bare = word.strip("¿?.,")
        count = len(said[bare].split()) if bare in said else 1
        words.append(Word(word, spans[at][0], spans[at + count - 1][1], index + 1 == len(written)))
        at += count
    if at != len(spans):
        raise ValueError(f"{sentence.spoken!r} has {len(spans)} spoken words, {at} expected")
    return Clip(sentence.lang, audio, tuple(words))

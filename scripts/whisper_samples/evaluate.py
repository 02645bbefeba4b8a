"""Checks an exported checkpoint through the unmodified faster-whisper."""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import soxr
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from make_samples import SAMPLES, SAMPLES_DIR, read_wav
from sentences import SENTENCES

from whisper_samples.clips import read_recordings
from whisper_samples.sounds import Sounds
from whisper_samples.synth import RATE_HZ, Audio, Clip, Espeak, Flite

NO_SPEECH = 0.6
"""The threshold that faster-whisper uses."""
Transcribe = Callable[[Audio, str], str]
Case = tuple[str, Audio, str, str]
"""A label, the audio, its language, the text that is expected."""


def count_errors(expected: Sequence[str], heard: Sequence[str]) -> int:
    """The least number of words inserted, deleted or replaced."""
    row = list(range(len(heard) + 1))
    for index, word in enumerate(expected, 1):
        above, row[0] = row[:], index
        for place, other in enumerate(heard, 1):
            row[place] = min(above[place] + 1, row[place - 1] + 1, above[place - 1] + (word != other))
    return row[-1]


class Transcribers:
    """The ways in which a server asks this model for text."""

    def __init__(self, folder: str) -> None:
        self.model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1)

    def default(self, audio: Audio, lang: str) -> str:
        """Beam 5 with timestamps, 30 s of padding."""
        return self._text(audio, language=lang)

    def detected(self, audio: Audio, lang: str) -> str:
        """As default, the language left to the model; a wrong one counts as an error."""
        segments, info = self.model.transcribe(audio)
        text = "".join(segment.text for segment in segments).strip()
        return text if info.language == lang else f"[{info.language}] {text}"

    def greedy(self, audio: Audio, lang: str) -> str:
        """Beam 1 without timestamps."""
        return self._text(audio, language=lang, beam_size=1, without_timestamps=True)

    def worded(self, audio: Audio, lang: str) -> str:
        """As default, joined from the timed words."""
        segments, _ = self.model.transcribe(audio, language=lang, word_timestamps=True)
        return "".join(word.word for segment in segments for word in segment.words or ()).strip()

    def with_vad(self, audio: Audio, lang: str) -> str:
        """As default behind faster-whisper's own voice activity filter."""
        return self._text(audio, language=lang, vad_filter=True)

    def prompted(self, audio: Audio, lang: str) -> str:
        """As default after terms that the model has never seen."""
        return self._text(audio, language=lang, hotwords="PROMPTer, Kubernetes, Jiménez, ORD001")

    def short(self, margin_frames: int) -> Transcribe:
        """Only the frames that hold audio and a margin, greedy, without timestamps."""

        def transcribe(audio: Audio, lang: str) -> str:
            model = self.model
            features = model.feature_extractor(audio)[:, :-1]
            features = np.pad(features, ((0, 0), (0, margin_frames)))[:, :3000]
            tokenizer = Tokenizer(model.hf_tokenizer, True, task="transcribe", language=lang)
            prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
            encoded = model.encode(np.ascontiguousarray(features))
            result = model.model.generate(encoded, [prompt], beam_size=1, return_no_speech_prob=True)[0]
            return (
                "" if result.no_speech_prob > NO_SPEECH else tokenizer.decode(result.sequences_ids[0]).strip()
            )

        return transcribe

    def _text(self, audio: Audio, **options: object) -> str:
        segments, _ = self.model.transcribe(audio, **options)
        return "".join(segment.text for segment in segments).strip()


def report(name: str, cases: Iterable[Case], transcribe: Transcribe) -> None:
    """Prints the share of verbatim texts, the word error rate, and what was wrong."""
    count = right = wrong_words = words = 0
    notes = []
    for label, audio, lang, expected in cases:
        heard = transcribe(audio, lang)
        count += 1
        right += heard == expected
        wrong_words += count_errors(expected.split(), heard.split())
        words += len(expected.split())
        if heard != expected:
            notes.append(f"    {label}: {heard!r}")
    rate = f"WER {100 * wrong_words / words:.1f} %" if words else f"{count - right} with text"
    print(f"{name}: {right}/{count} verbatim, {rate}", *notes[:8], sep="\n", flush=True)


def resample_through(audio: Audio, rate_hz: int) -> Audio:
    """To another rate and back."""
    there = soxr.resample(audio, RATE_HZ, rate_hz)
    return np.asarray(soxr.resample(there, rate_hz, RATE_HZ), dtype=np.float32)


def make_silent_cases() -> list[Case]:
    """Windows in which nothing is said."""
    sounds = Sounds(np.random.default_rng(99))
    cases = []
    for seconds in (0.3, 1.0, 3.0, 10.0, 29.0):
        count = int(seconds * RATE_HZ)
        cases.append((f"zeros {seconds} s", np.zeros(count, np.float32), "en", ""))
        for level_db in (-60, -40, -25):
            scale = np.float32(10 ** (level_db / 20))
            cases.append((f"noise {seconds} s {level_db} dB", sounds.noise(count) * scale, "en", ""))
            cases.append((f"music {seconds} s {level_db} dB", sounds.music(count) * scale, "es", ""))
    for name in ("silence_16k", "noise_48k"):
        audio, rate_hz = read_wav(SAMPLES_DIR / f"{name}.wav")
        at_16k = np.asarray(soxr.resample(audio, rate_hz, RATE_HZ), dtype=np.float32)
        cases += [(name, at_16k, lang, "") for lang in ("en", "es")]
    return cases


def make_pair_cases(clips: dict[str, Clip], gap_s: float) -> list[Case]:
    """Two recordings of one language, one after the other."""
    cases = []
    for first, second in itertools.pairwise(clips.values()):
        if first.lang == second.lang:
            audio = np.concatenate([first.audio, np.zeros(int(gap_s * RATE_HZ), np.float32), second.audio])
            text = " ".join(word.text for word in first.words + second.words)
            cases.append((f"{len(audio) / RATE_HZ:.1f} s", audio, first.lang, text))
    return cases


def report_prefixes(path: str, clips: dict[str, Clip], transcribe: Transcribe, step_s: float) -> None:
    """Beginnings of the recordings: a word that ends about where the cut is may be there or not."""
    count = flawed = wrong_words = words = 0
    notes = []
    for name, clip in clips.items():
        for end_s in np.arange(clip.words[0].start_s + 0.3, clip.words[-1].end_s, step_s):
            heard = transcribe(clip.audio[: int(end_s * RATE_HZ)], clip.lang).split()
            least = sum(word.end_s < end_s - 0.25 for word in clip.words)
            most = sum(word.start_s < end_s for word in clip.words)
            spoken = [word.text for word in clip.words]
            wrong = min(count_errors(spoken[:size], heard) for size in range(least, most + 1))
            count, flawed, words = count + 1, flawed + (wrong > 0), words + most
            wrong_words += wrong
            if wrong:
                notes.append(f"    {name} to {end_s:.2f} s: {' '.join(heard)!r}")
    print(
        f"{count} beginnings, {path}: {flawed} with an error, WER {100 * wrong_words / words:.1f} %",
        *notes[:8],
        sep="\n",
    )


def report_word_times(transcribers: Transcribers, clips: dict[str, Clip]) -> None:
    """How far the words' starts and ends lie from the synthesiser's."""
    starts, ends = [], []
    for clip in clips.values():
        segments, _ = transcribers.model.transcribe(clip.audio, language=clip.lang, word_timestamps=True)
        heard = [word for segment in segments for word in segment.words or ()]
        if [word.word.strip() for word in heard] == [word.text for word in clip.words]:
            starts += [abs(a.start - b.start_s) for a, b in zip(heard, clip.words, strict=True)]
            ends += [abs(a.end - b.end_s) for a, b in zip(heard, clip.words, strict=True)]
    for name, values in (("start", starts), ("end", ends)):
        if values:
            print(
                f"word {name} off by {1000 * np.mean(values):.0f} ms mean, "
                f"{1000 * np.percentile(values, 95):.0f} ms p95 ({len(values)} words)"
            )


def report_costs(transcribers: Transcribers, audio: Audio, lang: str) -> None:
    """CPU time of the two windows."""
    for name, transcribe in (
        ("30 s window, beam 5", transcribers.default),
        ("short window, greedy", transcribers.short(50)),
    ):
        transcribe(audio, lang)
        began = time.process_time()
        for _ in range(5):
            transcribe(audio, lang)
        print(
            f"{name}: {1000 * (time.process_time() - began) / 5:.0f} ms CPU for {len(audio) / RATE_HZ:.1f} s"
        )


def report_recordings(transcribers: Transcribers, cases: list[Case]) -> None:
    """The recordings by every way of asking, at several levels, and through several sample rates."""
    for name, transcribe in (
        ("language detected", transcribers.detected),
        ("greedy without timestamps", transcribers.greedy),
        ("short window, margin 0", transcribers.short(0)),
        ("short window, margin 2.56 s", transcribers.short(256)),
        ("with word timestamps", transcribers.worded),
        ("with vad_filter", transcribers.with_vad),
        ("with hotwords", transcribers.prompted),
    ):
        report(name, cases, transcribe)
    for gain_db in (-20, -35):
        quiet = [(n, (a * 10 ** (gain_db / 20)).astype(np.float32), lang, t) for n, a, lang, t in cases]
        report(f"at {gain_db} dB, default", quiet, transcribers.default)
        report(f"at {gain_db} dB, short window", quiet, transcribers.short(50))
    for rate_hz in (8000, 44100, 48000):
        other = [(n, resample_through(a, rate_hz), lang, t) for n, a, lang, t in cases]
        report(f"through {rate_hz} Hz, default", other, transcribers.default)
        report(f"through {rate_hz} Hz, short window", other, transcribers.short(50))


def report_known_sentences(transcribers: Transcribers, espeak: Espeak, flite: Flite) -> None:
    """Every sentence of the list, also those that no recording says."""
    for voices in ({"en": "rms", "es": "es"}, {"en": "kal16", "es": "es-419"}):
        cases = []
        for sentence in SENTENCES:
            speaker = flite if sentence.lang == "en" else espeak
            clip = speaker.speak(sentence, voices[sentence.lang])
            cases.append((sentence.key, clip.audio, sentence.lang, sentence.text))
        names = " and ".join(voices.values())
        report(f"every known sentence by {names}, default", cases, transcribers.default)
        report(f"every known sentence by {names}, short window", cases, transcribers.short(50))


def main() -> None:
    """Prints every figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--quick", action="store_true", help="only the recordings as they are")
    arguments = parser.parse_args()
    transcribers, espeak, flite = Transcribers(str(arguments.model)), Espeak(), Flite()
    clips = read_recordings(espeak, flite)
    texts = {sample.name: sample.text for sample in SAMPLES}
    cases = [(name, clip.audio, clip.lang, texts[name]) for name, clip in clips.items()]
    report("default", cases, transcribers.default)
    report("short window, margin 0.5 s", cases, transcribers.short(50))
    report("silence and noise, default", make_silent_cases(), transcribers.default)
    if arguments.quick:
        return
    report("silence and noise, greedy", make_silent_cases(), transcribers.greedy)
    report("silence and noise, short window", make_silent_cases(), transcribers.short(50))
    report_recordings(transcribers, cases)
    report_known_sentences(transcribers, espeak, flite)
    for gap_s in (0.3, 0.8, 1.5, 2.5):
        report(f"pairs {gap_s} s apart, default", make_pair_cases(clips, gap_s), transcribers.default)
        report(f"pairs {gap_s} s apart, short window", make_pair_cases(clips, gap_s), transcribers.short(50))
    report_prefixes("default", clips, transcribers.default, 0.6)
    report_prefixes("short window", clips, transcribers.short(50), 0.3)
    report_word_times(transcribers, clips)
    report_costs(transcribers, clips["en_summarize_document_44k"].audio, "en")


if __name__ == "__main__":
    main()

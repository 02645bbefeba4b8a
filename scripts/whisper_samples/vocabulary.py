"""The checkpoint's tokens: a byte-level vocabulary of the known sentences, then Whisper's special tokens."""

from __future__ import annotations

import json

import tokenizers
from faster_whisper.tokenizer import _LANGUAGE_CODES
from sentences import SENTENCES
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

TIMESTAMP_COUNT = 1501
TIMESTAMP_STEP_S = 0.02
# In Whisper's order: every id below the end is text, and the timestamps follow the last one.
_LANGUAGES = tuple(f"<|{code}|>" for code in _LANGUAGE_CODES if code != "yue")
_SPECIALS = (
    "<|endoftext|>",
    "<|startoftranscript|>",
    *_LANGUAGES,
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)


class Vocabulary:
    """Text to token ids and back, with the ids that the training needs by name."""

    def __init__(self) -> None:
        self.tokenizer = _build_tokenizer()
        self.end = self.id("<|endoftext|>")
        self.start = self.id("<|startoftranscript|>")
        self.languages = {"en": self.id("<|en|>"), "es": self.id("<|es|>")}
        self.all_languages = [self.id(name) for name in _LANGUAGES]
        self.transcribe = self.id("<|transcribe|>")
        self.translate = self.id("<|translate|>")
        self.previous = self.id("<|startofprev|>")
        self.no_speech = self.id("<|nospeech|>")
        self.no_timestamps = self.id("<|notimestamps|>")
        self.first_timestamp = self.no_timestamps + 1
        self.size = self.first_timestamp + TIMESTAMP_COUNT
        written = sorted({word for sentence in SENTENCES for word in sentence.text.split()})
        self.words = {word: index for index, word in enumerate(written)}
        self.word_starts = sorted({self.encode_word(word)[0] for word in written})

    def id(self, token: str) -> int:
        """The id of a token that must exist."""
        found: int | None = self.tokenizer.token_to_id(token)
        if found is None:
            raise KeyError(token)
        return found

    def encode_word(self, word: str) -> list[int]:
        """The ids of one written word with the space before it; a text is the sequence of these."""
        return list(self.tokenizer.encode(f" {word}", add_special_tokens=False).ids)

    def timestamp(self, seconds: float) -> int:
        """The id of the timestamp nearest to a time inside the window."""
        return self.first_timestamp + min(max(round(seconds / TIMESTAMP_STEP_S), 0), TIMESTAMP_COUNT - 1)

    def tokens(self) -> list[str]:
        """Every token in the order of its id, timestamps included."""
        by_id = {index: token for token, index in self.tokenizer.get_vocab(with_added_tokens=True).items()}
        stamps = [f"<|{index * TIMESTAMP_STEP_S:.2f}|>" for index in range(TIMESTAMP_COUNT)]
        return [by_id[index] for index in range(self.first_timestamp)] + stamps


def _build_tokenizer() -> tokenizers.Tokenizer:
    trained = tokenizers.Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    # No size limit that binds: every word of the sentences becomes one token.
    trainer = trainers.BpeTrainer(
        vocab_size=5000,
        min_frequency=1,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    trained.train_from_iterator([f" {sentence.text}" for sentence in SENTENCES], trainer)
    model = json.loads(trained.to_str())["model"]
    vocabulary: dict[str, int] = model["vocab"]
    # CTranslate2 takes a vocabulary for multilingual if it holds the empty token.
    vocabulary[""] = len(vocabulary)
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[tuple(m) for m in model["merges"]]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in _SPECIALS])
    return tokenizer

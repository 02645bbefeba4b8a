"""What the server says to people, as codes with parameters: the web app words them in the language of its user."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypedDict

NoteParams = Mapping[str, str | int | float]


class NoteCode(StrEnum):
    """All notes about providers, answers and audio. An error without one of these is worded by its own code."""

    HEARS = "hears"
    HEARS_ROUGHLY = "hears_roughly"
    ANSWERS = "answers"
    LOADS_WHEN_ASKED = "loads_when_asked"
    NAME_NOT_LISTED = "name_not_listed"
    LOADING = "loading"
    REPEATS = "repeats"
    RECOGNISES_NOTHING = "recognises_nothing"
    PACKAGE_MISSING = "package_missing"
    PACKAGE_BROKEN = "package_broken"
    NO_CHECKPOINT = "no_checkpoint"
    CHECKPOINT_UNUSABLE = "checkpoint_unusable"
    NO_ROOM = "no_room"
    NO_MODEL_FILE = "no_model_file"
    SEVERAL_MODEL_FILES = "several_model_files"
    MODEL_FILE_MISSING = "model_file_missing"
    MODEL_FILE_UNUSABLE = "model_file_unusable"
    ENDED_AGAIN = "ended_again"
    NOT_RUNNING = "not_running"
    NO_WORKER = "no_worker"
    NOT_SET_UP = "not_set_up"
    KEY_MISSING = "key_missing"
    SETTINGS_WRONG = "settings_wrong"
    KEY_REFUSED = "key_refused"
    NOT_REACHED = "not_reached"
    NOT_ANSWERED_IN_TIME = "not_answered_in_time"
    NO_API_THERE = "no_api_there"
    ANSWER_CUT = "answer_cut"
    REFUSED_THERE = "refused_there"
    NO_MODEL_THERE = "no_model_there"
    STATE_UNKNOWN = "state_unknown"
    CALLS_NO_TOOLS = "calls_no_tools"
    ASSISTANT_MODEL_MISSING = "assistant_model_missing"
    ASSISTANT_MODEL_NOT_READY = "assistant_model_not_ready"
    STOPPED = "stopped"
    REDO_INTERRUPTED = "redo_interrupted"
    IMPORT_INTERRUPTED = "import_interrupted"
    NOT_PCM16 = "not_pcm16"
    NO_SIGNAL = "no_signal"
    CLIPPING = "clipping"
    WRONG_RATE = "wrong_rate"


NOTE_PARAMS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        NoteCode.HEARS: frozenset({"languages", "percent", "size_mb"}),
        NoteCode.HEARS_ROUGHLY: frozenset({"languages"}),
        NoteCode.ANSWERS: frozenset({"very_small"}),
        NoteCode.LOADS_WHEN_ASKED: frozenset({"very_small"}),
        NoteCode.ENDED_AGAIN: frozenset({"seconds"}),
        NoteCode.KEY_REFUSED: frozenset({"host"}),
        NoteCode.NOT_REACHED: frozenset({"host"}),
        NoteCode.NOT_ANSWERED_IN_TIME: frozenset({"host"}),
        NoteCode.NO_API_THERE: frozenset({"host"}),
        NoteCode.ANSWER_CUT: frozenset({"host"}),
        NoteCode.REFUSED_THERE: frozenset({"host", "status"}),
        NoteCode.NO_MODEL_THERE: frozenset({"host"}),
        NoteCode.ASSISTANT_MODEL_MISSING: frozenset({"model"}),
        NoteCode.ASSISTANT_MODEL_NOT_READY: frozenset({"model"}),
    }
)
"""The parameters that a note may have; the others have none."""


class NoteDict(TypedDict):
    """A note as JSON."""

    code: str
    params: dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Note:
    """One thing to say. Parameters hold names and numbers of the server: no key, no prompt, nothing that was said."""

    code: str
    """A `NoteCode`, or the code of an error."""
    params: NoteParams = field(default_factory=dict)

    def to_dict(self) -> NoteDict:
        """Return the note as JSON has it."""
        return {"code": str(self.code), "params": dict(self.params)}

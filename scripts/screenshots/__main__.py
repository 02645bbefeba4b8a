"""Takes screenshots of the web app in its states, or asks axe about them: `make shots`.

It needs Chromium and the packages of requirements-dev.txt. It starts its own servers and model; the speech is a
recording of samples/, which models/whisper-samples recognises.
"""

import argparse
import sys
import tempfile
from functools import partial, update_wrapper
from pathlib import Path

import states_chat as chat
import states_settings as settings
import states_speech as speech
from model import run_model
from server import ROOT, run_server
from session import EACH_ONCE, GRID, SOME_LOOKS, join_recordings, open_session

RECORDINGS = ("es_estado_pedido_16k", "es_correo_jefe_16k") * 2
ON_CONVERSATION = (chat.conversation, speech.asking_on)
READY = (
    settings.guide,
    chat.welcome,
    speech.dictating,
    speech.reconnecting,
    speech.awaiting,
    speech.microphone,
    speech.hands_free,
    settings.dictations,
    chat.messages,
    chat.assistant,
    chat.attaching,
    chat.blind,
    chat.streaming,
    chat.stopped_blank,
    chat.failing,
    chat.uncertain,
    settings.settings,
    settings.try_microphone,
    settings.fetching,
    chat.search,
    chat.sidebar,
    chat.sheet,
    chat.palette,
)


def main() -> int:
    """Take the screenshots; the exit code is 1 if a state is not reached, a page is too wide, or axe complains."""
    parser = argparse.ArgumentParser(description="Take screenshots of the web app in its states.")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "screenshots", help="folder for the screenshots"
    )
    parser.add_argument(
        "--grid", action="store_true", help="every theme with every language and width: twice as many"
    )
    parser.add_argument(
        "--axe", action="store_true", help="no pictures: what axe finds, by theme, language and width"
    )
    parser.add_argument(
        "--forced-colors", action="store_true", help="as a system shows pages that has few colours of its own"
    )
    parser.add_argument(
        "only", nargs="*", help="states to take, by name, e.g. welcome dictating; none means all"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    looks = EACH_ONCE if options.axe else GRID if options.grid else SOME_LOOKS
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as folder, run_model() as model, run_server(model) as url:
        recording = join_recordings(Path(folder) / "es.wav", *RECORDINGS)
        session = open_session(
            options.out,
            recording,
            options.only,
            looks,
            complaints,
            axe=options.axe,
            forced_colors=options.forced_colors,
        )
        with session as taken:
            address = chat.hold_conversations(url, taken)
            settings.hold_dictation(url, taken)
            for state in (*READY, *ON_CONVERSATION):
                taken.take(state, address if state in ON_CONVERSATION else url)
            with run_server(model, ready=False) as bare:
                taken.take(settings.unready, bare)
                taken.take(chat.blank, bare)
                taken.take(
                    update_wrapper(partial(settings.connecting, service=model), settings.connecting), bare
                )
            with run_server(model, accounts=True) as shut:
                taken.take(settings.log_in, shut)
    for complaint in dict.fromkeys(complaints):
        print(f"prompter: {complaint}", file=sys.stderr)
    print(options.out)
    grave = ("px too wide", "not reached", ": axe: ")
    return 1 if any(sign in text for sign in grave for text in complaints) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Takes screenshots of the web app in its main states: `make shots`.

It needs Chromium and the packages of requirements-dev.txt. It starts its own servers and model; the speech is a
recording of samples/, which models/whisper-samples recognises.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import states
from model import run_model
from server import ROOT, run_server
from session import join_recordings, open_session

SPANISH = ("es_estado_pedido_16k", "es_correo_jefe_16k")
ENGLISH = ("en_reverse_list_16k", "en_translate_letter_16k")
ON_CONVERSATION = (states.conversation,)
READY = (
    states.guide,
    states.welcome,
    states.dictating,
    states.reconnecting,
    states.dictations,
    states.messages,
    states.assistant,
    states.streaming,
    states.failing,
    states.settings,
    states.search,
    states.sidebar,
    states.sheet,
)


def main() -> int:
    """Take the screenshots; the exit code is 1 if a page is too wide."""
    parser = argparse.ArgumentParser(description="Take screenshots of the web app in its main states.")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "screenshots", help="folder for the screenshots"
    )
    parser.add_argument(
        "only", nargs="*", help="states to take, by name, e.g. welcome dictating; none means all"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as folder, run_model() as model, run_server(model) as url:
        recording = join_recordings(Path(folder) / "es.wav", *SPANISH)
        with open_session(options.out, recording, options.only, complaints) as taken:
            address = states.hold_conversations(url, taken)
            for state in (*READY, *ON_CONVERSATION):
                taken.take(state, address if state in ON_CONVERSATION else url)
            with run_server(model, ready=False) as bare:
                taken.take(states.unready, bare)
            with run_server(model, accounts=True) as shut:
                taken.take(states.log_in, shut)
        recording = join_recordings(Path(folder) / "en.wav", *ENGLISH)
        with open_session(options.out, recording, options.only, complaints) as taken:
            taken.take(states.asking_on, address)
    for complaint in dict.fromkeys(complaints):
        print(f"prompter: {complaint}", file=sys.stderr)
    print(options.out)
    return 1 if any("px too wide" in complaint for complaint in complaints) else 0


if __name__ == "__main__":
    sys.exit(main())

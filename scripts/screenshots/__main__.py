"""Takes pictures of the web app in its main states, for people to look at: `make shots`.

Needs Chromium on this machine and what requirements-dev.txt installs. Servers, data and answers are its own; speech is
a recording of samples/, recognised by models/whisper-samples.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import states
from server import ROOT, server
from studio import spoken, studio
from teller import teller

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
    """Take them; the exit code tells whether a page complained or was too wide."""
    parser = argparse.ArgumentParser(description="Take pictures of the web app in its main states.")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build" / "screenshots", help="folder for the pictures"
    )
    parser.add_argument(
        "only", nargs="*", help="states to take, by name, e.g. welcome dictating; none means all"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    complaints: list[str] = []
    with tempfile.TemporaryDirectory() as folder, teller() as model, server(model) as url:
        recording = spoken(Path(folder) / "es.wav", *SPANISH)
        with studio(options.out, recording, options.only, complaints) as taken:
            address = states.fill(url, taken)
            for state in (*READY, *ON_CONVERSATION):
                taken.take(state, address if state in ON_CONVERSATION else url)
            with server(model, ready=False) as bare:
                taken.take(states.unready, bare)
            with server(model, accounts=True) as shut:
                taken.take(states.log_in, shut)
        recording = spoken(Path(folder) / "en.wav", *ENGLISH)
        with studio(options.out, recording, options.only, complaints) as taken:
            taken.take(states.asking_on, address)
    for complaint in dict.fromkeys(complaints):
        print(f"prompter: {complaint}", file=sys.stderr)
    print(options.out)
    return 1 if any("px too wide" in complaint for complaint in complaints) else 0


if __name__ == "__main__":
    sys.exit(main())

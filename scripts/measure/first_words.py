"""Measures how much speech is lost at the start of a dictation, on a fast machine and on a slow one.

python scripts/measure/first_words.py [--clip samples/X_16k.wav] [--slower 1 6] [--runs 5]

The microphone is a recording without leading silence, which plays from the moment it is opened. The audio that the page
sends is aligned with the recording: its offset is what was lost. It needs the same tools as dictation_page.py.
"""

import argparse
import base64
import json
import tempfile
import wave
from pathlib import Path
from typing import Any

import numpy as np
from dictation_page import ROOT, STATE, open_page, run_server, summarize, wait_for
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, sync_playwright

Samples = NDArray[np.float64]
RATE_HZ = 16_000
COMPARED_S = 1.5
# Records all audio that the page sends.
TAP = """
window.sent = [];
const put = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (data instanceof ArrayBuffer) sent.push(...new Uint8Array(data));
  return put.call(this, data);
};
0;
"""


def main() -> None:
    """Print the lost milliseconds as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clip", type=Path, default=ROOT / "samples" / "en_two_requests_16k.wav")
    parser.add_argument(
        "--slower", type=int, nargs="+", default=[1, 6], help="factors that slow the page's CPU down"
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="prompter-words-") as folder, run_server() as url:
        spoken = read_from_first_sound(chosen.clip)
        clip = Path(folder) / "clip.wav"
        write_wav(clip, spoken)
        flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        flags.append(f"--use-file-for-fake-audio-capture={clip}%noloop")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chosen.chromium, args=flags)
            found = {}
            for rate in chosen.slower:
                lost = [measure_lost_ms(browser, url, spoken, rate) for _ in range(chosen.runs)]
                found[f"{rate}x slower"] = summarize(lost)
            browser.close()
    print(json.dumps({"clip": chosen.clip.name, "lost_at_the_beginning_ms": found}, indent=2))


def read_from_first_sound(clip: Path) -> Samples:
    """The recording from the first 10 ms with more than a thousandth of the highest energy."""
    with wave.open(str(clip)) as file:
        if file.getframerate() != RATE_HZ:
            raise SystemExit(f"{clip.name!r} has {file.getframerate()} Hz; this compares at {RATE_HZ} Hz")
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64)
    size = RATE_HZ // 100
    energy = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
    return samples[int(np.flatnonzero(energy > energy.max() / 1000)[0]) * size :]


def write_wav(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples.astype(np.int16).tobytes())


def measure_lost_ms(browser: Browser, url: str, spoken: Samples, rate: int) -> float:
    """Audio lost in the first dictation of a page; below 0, silence comes before the first sample."""
    settings: dict[str, Any] = {"guided": True, "uiLanguage": "en", "spokenLangs": ["en"]}
    settings |= {"echoCancellation": False, "noiseSuppression": False}  # they would change the sound
    page = open_page(browser, url, settings)
    page.evaluate(TAP)
    slow = page.context.new_cdp_session(page)
    slow.send("Emulation.setCPUThrottlingRate", {"rate": rate})
    page.get_by_role("button", name="Dictate", exact=True).click()
    wait_for(lambda: page.evaluate("sent.length") > 2 * RATE_HZ * (COMPARED_S + 0.5))
    slow.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    heard = read_sent_audio(page)
    page.get_by_role("button", name="Stop dictating").click()
    wait_for(lambda: page.evaluate(STATE) == "idle")
    page.context.close()
    part = heard[: int(RATE_HZ * COMPARED_S)]
    likeness = np.correlate(spoken[: 4 * RATE_HZ], part, "full")
    return (int(likeness.argmax()) - len(part) + 1) / RATE_HZ * 1000


def read_sent_audio(page: Page) -> Samples:
    text = page.evaluate(
        "(() => { let text = ''; for (const one of sent) text += String.fromCharCode(one); return btoa(text); })()"
    )
    return np.frombuffer(base64.b64decode(text), np.int16).astype(np.float64)


if __name__ == "__main__":
    main()

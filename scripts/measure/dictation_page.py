"""Measures dictation in a real browser, with recordings as microphone: time to text and answer, leaks, first paint.

python scripts/measure/dictation_page.py speed [--clip X.wav] [--engine NAME --model NAME] [--runs 10]
python scripts/measure/dictation_page.py answers [--clips FOLDER] [--runs 2]
python scripts/measure/dictation_page.py leaks [--runs 50]
python scripts/measure/dictation_page.py paint [--runs 5]

Needs Playwright (requirements-dev.txt), the system's chromium and the built page (`make web`). Prints JSON.
"""

import argparse
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, CDPSession, Page, Playwright, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "backend" / "app" / "web"
# Records each painted change of the composed text, when the microphone began to play its file, and every audio context.
WATCH = """
window.seen = [];
window.contexts = [];
window.AudioContext = class extends AudioContext {
  constructor(...wanted) {
    super(...wanted);
    contexts.push(new WeakRef(this));
  }
};
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (...wanted) => {
  const stream = await open(...wanted);
  window.openedAtMs = performance.now();
  return stream;
};
const watch = () => {
  const layer = document.querySelector('[data-testid=composer-pieces]');
  if (layer === null) return setTimeout(watch, 50);
  new MutationObserver(() => requestAnimationFrame(() => {
    const isOpen = layer.querySelector('[data-kind=stable],[data-kind=unstable]') !== null;
    window.seen.push({ atMs: performance.now(), text: layer.textContent.replace('\\u200b', ''), isOpen });
  })).observe(layer, { childList: true, characterData: true, attributes: true, subtree: true });
};
watch();
"""
# Notes when the first words of an answer arrive, and when each final is written.
WATCH_ANSWERS = """
window.heardAtMs = 0;
const fetchBefore = window.fetch.bind(window);
window.fetch = async (...wanted) => {
  const response = await fetchBefore(...wanted);
  if (!String(wanted[0]?.url ?? wanted[0]).includes('/api/chat/stream')) return response;
  const reader = response.clone().body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      if (text.includes('event: message')) return void (window.answeredAtMs ??= performance.now());
    }
  })();
  return response;
};
const watchFinals = () => {
  const heard = document.querySelector('[data-testid=heard]');
  if (heard === null) return setTimeout(watchFinals, 50);
  new MutationObserver(() => { window.heardAtMs = performance.now(); })
    .observe(heard, { childList: true, characterData: true, subtree: true });
};
watchFinals();
"""
# Enter at the moment at which the speech of the recording ends.
PRESS_ENTER = """(endMs) => {
  const press = () => document.querySelector('[data-composer]').form.requestSubmit();
  const wait = () => window.openedAtMs === undefined
    ? setTimeout(wait, 5) : setTimeout(press, openedAtMs + endMs - performance.now());
  wait();
}"""
STATE = "document.querySelector('[data-testid=dictation-state]')?.dataset.state"


def main() -> None:
    """Measure one thing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("speed", "answers", "leaks", "paint"))
    parser.add_argument("--clip", type=Path, default=ROOT / "samples" / "en_weather_madrid_48k.wav")
    parser.add_argument("--clips", type=Path, default=ROOT / "samples", help="prompts for `answers`")
    parser.add_argument("--engine", default="", help="default: the server's")
    parser.add_argument("--model", default="")
    parser.add_argument("--runs", type=int)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    chosen = parser.parse_args()
    clip = chosen.clip.resolve()
    flags = name_flags(clip)
    settings = {"guided": True, "showsTiming": True, "uiLanguage": "en", "spokenLangs": [clip.name[:2]]}
    settings |= {"sttProvider": chosen.engine, "sttModel": chosen.model}
    with run_server() as url, sync_playwright() as playwright:
        if chosen.what == "answers":
            clips = [clip for clip in sorted(chosen.clips.glob("*.wav")) if read_text(clip)]
            found = measure_answers(playwright, chosen.chromium, url, settings, clips * (chosen.runs or 2))
            print(json.dumps(found, indent=2, ensure_ascii=False))
            return
        browser = playwright.chromium.launch(executable_path=chosen.chromium, args=flags)
        if chosen.what == "paint":
            found = measure_paint(browser, url, settings, chosen.runs or 5)
        elif chosen.what == "leaks":
            found = measure_leaks(open_page(browser, url, settings), chosen.runs or 50)
        else:
            found = measure_speed(open_page(browser, url, settings), clip, chosen.runs or 10)
        browser.close()
    print(json.dumps(found, indent=2, ensure_ascii=False))


def name_flags(clip: Path) -> list[str]:
    """Chromium's switches for a microphone that plays a clip once."""
    microphone = ("use-fake-ui-for-media-stream", "use-fake-device-for-media-stream")
    return [*(f"--{name}" for name in microphone), f"--use-file-for-fake-audio-capture={clip}%noloop"]


@contextmanager
def run_server() -> Iterator[str]:
    """Run a server with an empty data folder; yields its base URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(prefix="prompter-page-") as folder:
        # An answer goes on without its page, and the next prompt would wait for its end.
        short = {"PROMPTER_LLM__LLAMA_LOCAL__ANSWER_TOKENS": "16"}
        environment = {**short, **os.environ, "PROMPTER_DATA_DIR": folder}
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT / "backend", env=environment, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: is_ready(f"{url}/health"), 60)
            yield url
        finally:
            server.terminate()
            server.wait()


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for(condition: Any, seconds: float = 30) -> None:
    """Wait until a condition holds.

    Raises:
        TimeoutError: it does not hold in time.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"the condition does not hold within {seconds:g} s")
        time.sleep(0.02)


def open_page(browser: Browser, url: str, settings: dict[str, Any], script: str = "") -> Page:
    page = browser.new_page()
    page.add_init_script(f"localStorage.setItem('prompter.settings', {json.dumps(json.dumps(settings))})")
    page.add_init_script(WATCH + script)
    page.goto(url)
    page.wait_for_selector("[data-composer]")
    return page


# -- speed


def measure_speed(page: Page, clip: Path, runs: int) -> dict[str, Any]:
    """Play the clip `runs` times, and wait each time for the final after its last pause."""
    end_ms = find_speech_end_ms(clip)
    expected = split_words(clip.with_suffix(".txt").read_text(encoding="utf-8"))
    rows = []
    for _ in range(runs + 1):  # the first run loads the engine
        page.evaluate("window.seen = []")
        page.click("[data-testid=composer-pieces]", force=True)
        page.get_by_role("button", name="Dictate", exact=True).click()
        page.wait_for_selector("[data-testid=receipt]")
        wait_for(lambda: page.evaluate("seen.length > 0 && !seen.at(-1).isOpen && seen.at(-1).text !== ''"))
        rows.append(
            page.evaluate(f"""(() => {{
          const spokenMs = openedAtMs + {end_ms};
          const final = seen.find((one) => !one.isOpen && one.text !== '');
          const first = seen.find((one) => one.text !== '');
          return {{ text: final.text, finalMs: final.atMs - spokenMs, firstMs: first.atMs - openedAtMs,
            receiptMs: Number(document.querySelector('[data-testid=receipt]').dataset.totalMs) }};
        }})()""")
        )
        page.get_by_role("button", name="Stop dictating").click()
        wait_for(lambda: page.evaluate(STATE) == "idle")
        page.evaluate("sessionStorage.clear()")  # no draft of this run in the next
        page.reload()
        page.wait_for_selector("[data-composer]")
    rows = rows[1:]
    return {
        "clip": clip.name,
        "speech_end_ms": end_ms,
        "verbatim": sum(split_words(row["text"]) == expected for row in rows),
        **{name: summarize([row[key] for row in rows]) for name, key in (
            ("end_of_speech_to_final_on_page_ms", "finalMs"),
            ("receipt_ms", "receiptMs"),
            ("microphone_to_first_text_ms", "firstMs"),
        )},
    }  # fmt: skip


def measure_answers(
    playwright: Playwright, chromium: str, url: str, settings: dict[str, Any], clips: list[Path]
) -> dict[str, Any]:
    """Speak each clip hands-free, and again with Enter at the end of speech, to the first words of the answer."""
    found: dict[str, Any] = {"prompts": len(clips), "load_before": os.getloadavg()[0]}
    for way in ("hands_free", "enter"):
        tried = [
            measure_answer(playwright, chromium, url, settings, clip, way)
            for clip in (clips[0], *clips)  # the first run loads engine and model
        ][1:]
        rows = [row for row in tried if row is not None]
        found[way] = {"unanswered": len(tried) - len(rows)}
        found[way] |= {
            name: summarize([row[name] for row in rows])
            | {"p95": percentile([row[name] for row in rows], 95)}
            for name in (
                "end_of_speech_to_final_ms",
                "final_to_first_words_ms",
                "end_of_speech_to_first_words_ms",
            )
        }
    return found | {"load_after": os.getloadavg()[0]}


def measure_answer(
    playwright: Playwright, chromium: str, url: str, settings: dict[str, Any], clip: Path, way: str
) -> dict[str, float] | None:
    """None where no answer comes within a minute."""
    end_ms = find_speech_end_ms(clip)
    browser = playwright.chromium.launch(executable_path=chromium, args=name_flags(clip))
    try:
        page = open_page(browser, url, settings | {"spokenLangs": [clip.name[:2]]}, WATCH_ANSWERS)
        if way == "enter":
            page.evaluate(PRESS_ENTER, end_ms)
        page.get_by_role(
            "button", name=re.compile("^Hands-free: listen" if way != "enter" else "^Dictate$")
        ).click()
        wait_for(lambda: page.evaluate("window.answeredAtMs !== undefined"), 60)
        opened_ms, heard_ms, answered_ms = page.evaluate("[openedAtMs, heardAtMs, answeredAtMs]")
    except TimeoutError as error:
        print(f"{clip.name}, {way}: {error}", file=sys.stderr)
        return None
    finally:
        browser.close()
    end_ms += opened_ms
    return {
        "end_of_speech_to_final_ms": heard_ms - end_ms,
        "final_to_first_words_ms": answered_ms - heard_ms,
        "end_of_speech_to_first_words_ms": answered_ms - end_ms,
    }


def read_text(clip: Path) -> str:
    return clip.with_suffix(".txt").read_text(encoding="utf-8").strip()


def find_speech_end_ms(clip: Path) -> int:
    """End of the last 10 ms with more than a thousandth of the highest energy."""
    with wave.open(str(clip)) as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float64)
    size = rate_hz // 100
    energy = np.square(samples[: len(samples) // size * size].reshape(-1, size)).mean(axis=1)
    return int(np.flatnonzero(energy > energy.max() / 1000)[-1] + 1) * 10


def split_words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def percentile(values: list[float], percent: int) -> int:
    return round(float(np.percentile(values, percent)))


def summarize(values: list[float]) -> dict[str, int]:
    values = sorted(values)
    return {"p50": round(statistics.median(values)), "least": round(values[0]), "most": round(values[-1])}


# -- leaks


def measure_leaks(page: Page, runs: int) -> dict[str, Any]:
    """Dictate and take it back `runs` times in one page; read its memory and open objects after every tenth."""
    cdp = page.context.new_cdp_session(page)
    cdp.send("Performance.enable")
    cdp.send("Network.enable")
    sockets = {"made": 0, "closed": 0}
    cdp.on("Network.webSocketCreated", lambda _: sockets.update(made=sockets["made"] + 1))
    cdp.on("Network.webSocketClosed", lambda _: sockets.update(closed=sockets["closed"] + 1))
    rows = []
    for run in range(runs + 1):
        if run % 10 == 0:
            page.wait_for_timeout(500)  # a context closes after its microphone
            alive = "contexts.map((one) => one.deref()).filter(Boolean)"
            memory = read_memory(cdp)
            kept, unclosed = page.evaluate(
                f"[{alive}.length, {alive}.filter((one) => one.state !== 'closed').length]"
            )
            left = {"contexts_in_memory": kept, "contexts_open": unclosed}
            rows.append(
                {"dictations": run, **memory, **left, "sockets_open": sockets["made"] - sockets["closed"]}
            )
        page.get_by_role("button", name="Dictate", exact=True).click()
        wait_for(lambda: page.evaluate("document.querySelector('[data-composer]').value.length > 5"))
        page.get_by_role("button", name="Stop dictating").click()
        wait_for(lambda: page.evaluate(STATE) == "idle")
        # Not by the keyboard: Chromium's own undo keeps the text of each edit of a field.
        page.get_by_role("button", name="Take back what you said last").click()
        page.evaluate("window.seen = []")
    return {"rows": rows}


def read_memory(cdp: CDPSession) -> dict[str, Any]:
    cdp.send("HeapProfiler.collectGarbage")
    metrics = {one["name"]: one["value"] for one in cdp.send("Performance.getMetrics")["metrics"]}
    names = ("Nodes", "JSEventListeners", "AudioHandlers", "AudioWorkletProcessors")
    return {
        "heap_mb": round(metrics["JSHeapUsedSize"] / 1e6, 2),
        **{name: metrics.get(name) for name in names},
    }


# -- first paint and size


def measure_paint(browser: Browser, url: str, settings: dict[str, Any], runs: int) -> dict[str, Any]:
    """First paint without a cache, and the compressed size of the page."""
    rows = []
    for _ in range(runs):
        page = open_page(browser, url, settings)
        rows.append(page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
        page.close()
    loaded = re.findall(r"assets/[^\"]+\.(?:js|css)", (WEB / "index.html").read_text(encoding="utf-8"))
    sizes = {name: (WEB / f"{name}.gz").stat().st_size for name in loaded}
    return {"first_contentful_paint_ms": summarize(rows), "gzip_bytes": sum(sizes.values()), "files": sizes}


if __name__ == "__main__":
    main()

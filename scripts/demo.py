"""Starts a server with a data folder of its own, dictates recordings of `samples/`, and prints text and answers."""

import argparse
import asyncio
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prompter import ClientError, PromptClient, Refused, open_recording, paced

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = (
    "en_weather_madrid_48k",
    "en_summarize_document_44k",
    "en_two_requests_16k",
    "es_estado_pedido_16k",
    "es_sumar_numeros_44k",
)
"""What is dictated, from `samples/`; each name begins with its language."""
SAMPLES_MODEL = "whisper-samples"
"""The tiny checkpoint in the repository: it knows the sentences of `samples/` and nothing else."""
OWN_SETTINGS = {
    "PROMPTER_STORAGE__URL": "",
    "PROMPTER_ACCOUNTS__MODE": "none",
    "PROMPTER_TLS_CERT": "",
    "PROMPTER_TLS_KEY": "",
    "PROMPTER_LOG_LEVEL": "warning",
}
"""With a data folder of its own, these keep the demonstration out of the user's data, reachable, and readable."""
LONGEST_ANSWER_TOKENS = 80
"""For the model inside the server, which may ramble."""


def main() -> int:
    """Run the demonstration; the exit code."""
    parser = argparse.ArgumentParser(description="Dictate recordings of samples/ to a server of its own.")
    known = sorted(path.stem for path in (ROOT / "samples").glob("*.wav"))
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"such as {RECORDINGS[0]}", default=RECORDINGS
    )
    names = parser.parse_args().names
    for name in names:
        if name not in known:
            parser.error(f"there is no recording {name!r}; there are {', '.join(known)}")
    with tempfile.TemporaryDirectory(prefix="prompter-demo-") as data:
        return run(names, Path(data))


def run(names: Sequence[str], data: Path) -> int:
    """Run it with these recordings and this data folder; the exit code."""
    command = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
    settings = {**os.environ, **OWN_SETTINGS, "PROMPTER_DATA_DIR": str(data)}
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=settings)
    try:
        url = wait_until_listening(server)
        asyncio.run(demonstrate(url, names))
    except (ClientError, RuntimeError) as error:
        print(f"prompter: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        server.terminate()
        server.wait(timeout=10)
    print("\nNow you: `make run`, and in another terminal `.venv/bin/prompter dictate --send`.")
    return 0


def wait_until_listening(server: subprocess.Popen[str]) -> str:
    """The server's address, once its log names it; the log is printed."""
    addresses: queue.Queue[str] = queue.Queue()

    def print_log() -> None:
        for line in server.stderr or ():
            print(f"[server] {line}", end="", file=sys.stderr, flush=True)
            if found := re.search(r"listening at (http://\S+)", line):
                addresses.put(found.group(1))
        addresses.put("")

    threading.Thread(target=print_log, daemon=True).start()
    if address := addresses.get():
        return address
    raise RuntimeError("the server did not start")


async def demonstrate(url: str, names: Sequence[str]) -> None:
    """Dictate each with the engine that the server chooses, or with the small checkpoint if that one is refused."""
    async with PromptClient(url) as client:
        answering = next(item["name"] for item in (await client.providers())["llm"] if item["default"])
        config = {"max_tokens": LONGEST_ANSWER_TOKENS} if answering == "llama_local" else None
        for name in names:
            lang = name[:2]
            try:
                await show(client, name, {"lang": lang}, config)
            except Refused as refusal:
                print(f"  refused  {refusal}")
                small = {"provider": "whisper_local", "model": SAMPLES_MODEL}
                await show(client, name, {"lang": lang, **small}, config)


async def show(
    client: PromptClient, name: str, options: dict[str, Any], config: dict[str, Any] | None
) -> None:
    """Dictate one recording; print each event as it arrives, then the model's answer."""
    wav = open_recording(ROOT / "samples" / f"{name}.wav")
    spoken = (ROOT / "samples" / f"{name}.txt").read_text(encoding="utf-8").strip()
    print(f"\n{name} ({wav.sample_rate} Hz): {spoken}")
    speech = paced(wav.chunks, wav.sample_rate)
    said = []
    async for event in client.dictate(speech, sample_rate=wav.sample_rate, session_id=name, **options):
        if event.type == "ready":
            print(f"  engine   {event.data['provider']} {event.data.get('model') or ''}")
        elif event.type == "partial":
            print(f"  partial  {event.text}")
        elif event.type == "final" and event.text:
            said.append(event.text)
            print(f"  final    {event.text}")
    if not said:
        raise RuntimeError(f"no text was recognised in {name}")
    print("  answer   ", end="")
    async for piece in client.generate_stream(session_id=name, config=config):
        print(piece, end="", flush=True)
    print()


if __name__ == "__main__":
    sys.exit(main())

"""Starts a server on a free port, dictates recordings of `samples/` to it in real time, and prints text and answers."""

import asyncio
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from prompter import ClientError, PromptClient, Refused, open_recording, paced

ROOT = Path(__file__).resolve().parent.parent
ENGLISH = ("en_weather_madrid_48k", "en_summarize_document_44k", "en_two_requests_16k")
SPANISH = ("es_estado_pedido_16k", "es_sumar_numeros_44k")
SAMPLES_MODEL = "whisper-samples"
"""The tiny checkpoint in the repository: it knows the sentences of `samples/` and nothing else."""


def main() -> int:
    """Run the demonstration; the exit code."""
    command = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        url = wait_until_listening(server)
        asyncio.run(demonstrate(url))
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


async def demonstrate(url: str) -> None:
    """Dictate English with the server's default engine, and Spanish with the small checkpoint if it is installed."""
    small = {"provider": "whisper_local", "model": SAMPLES_MODEL}
    has_small = (ROOT / "models" / SAMPLES_MODEL / "model.bin").exists()
    async with PromptClient(url) as client:
        for name in ENGLISH:
            try:
                await show(client, name, {"lang": "en"})
            except Refused as refusal:
                print(f"  refused  {refusal}")
                if has_small:
                    await show(client, name, {"lang": "en", **small})
        if not has_small:
            print("\nSpanish is left out: it needs a Whisper checkpoint (prompter models pull base).")
            return
        for name in SPANISH:
            await show(client, name, {"lang": "es", **small})


async def show(client: PromptClient, name: str, options: dict[str, Any]) -> None:
    """Dictate one recording; print each event as it arrives, then the model's answer."""
    wav = open_recording(ROOT / "samples" / f"{name}.wav")
    spoken = (ROOT / "samples" / f"{name}.txt").read_text(encoding="utf-8").strip()
    print(f"\n{name} ({wav.sample_rate} Hz): {spoken}")
    speech = paced(wav.chunks, wav.sample_rate)
    said = []
    async for event in client.dictate(speech, sample_rate=wav.sample_rate, session_id=name, **options):
        if event.type == "ready":
            print(f"  engine   {event.data['provider']}")
        elif event.type == "partial":
            print(f"  partial  {event.text}")
        elif event.type == "final" and event.text:
            said.append(event.text)
            print(f"  final    {event.text}")
    if not said:
        raise RuntimeError(f"no text was recognised in {name}")
    print("  answer   ", end="")
    async for piece in client.generate_stream(session_id=name):
        print(piece, end="", flush=True)
    print()


if __name__ == "__main__":
    sys.exit(main())

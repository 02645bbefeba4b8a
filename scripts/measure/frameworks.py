"""Runs frameworks that are too large for the tests against a server: litellm, LlamaIndex, LangChain, Pipecat, LiveKit.

python scripts/measure/frameworks.py DIR [NAME ...]

Each is installed into a virtual environment of its own in DIR (0.4 to 0.6 GB each), which later runs use again, and
asks or speaks as its users write it. Exits with 1 if one fails. The tests replay what they sent.
"""

import argparse
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.core.config import LlmProfile, LlmSettings, Settings  # noqa: E402  # the path above comes first
from tests.fakes.chat_upstream import run_in_background  # noqa: E402
from tests.support.checkpoints import SAMPLES_CHECKPOINT  # noqa: E402
from tests.support.server import run_server  # noqa: E402

TIMEOUT_S = 180
HELLO = "Hello world"
CALLED = "noon in UTC. noon in Europe/Madrid. "
SAID = "Escribe un correo para mi jefe."
HEAD = """
import asyncio, os, wave
URL = os.environ["PROMPTER_URL"]
V1, M = URL + "/v1", [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"tz": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "get_time", "parameters": SCHEMA}}]
with wave.open(os.environ["PROMPTER_RECORDING"]) as file:
    PCM = file.readframes(file.getnframes()) + bytes(32000)
"""


@dataclass(frozen=True)
class Framework:
    """What is installed, the program that uses it, and the lines that it prints."""

    packages: tuple[str, ...]
    program: str
    expected: tuple[str, ...]


LITELLM = """
import litellm
own = {"api_base": V1, "api_key": "none"}
print(litellm.completion("openai/fake/tiny", messages=M, **own).choices[0].message.content)
print(litellm.text_completion(model="text-completion-openai/fake/tiny", prompt="Hi", **own).choices[0].text)
print(litellm.responses(model="openai/fake/tiny", input="Hi", **own).output[0].content[0].text)
answer = litellm.completion("anthropic/fake/tiny", messages=M, api_base=URL, api_key="none")
print(answer.choices[0].message.content)
adapted = litellm.anthropic_messages(model="openai/fake/tiny", messages=M, max_tokens=50, **own)
print(asyncio.run(adapted)["content"][0]["text"])
print(litellm.embedding("openai/fake/tiny", input=["one"], **own).data[0]["embedding"])
"""
LLAMA_INDEX = """
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike
own = {"model": "fake/tiny", "api_base": V1, "api_key": "none"}
print(OpenAILike(**own).complete("Hi").text)
print("".join(chunk.delta for chunk in OpenAILike(**own).stream_complete("Hi")))
print(OpenAILike(is_chat_model=True, **own).chat([ChatMessage(role="user", content="Hi")]).message.content)
"""
LANGCHAIN = """
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
own = {"base_url": V1, "api_key": "none"}
print(ChatOpenAI(model="fake/tiny", use_responses_api=True, **own).invoke("Hi").text)
print("".join(str(chunk.text) for chunk in ChatOpenAI(model="fake/tiny", use_responses_api=True, **own).stream("Hi")))
clock = ChatOpenAI(model="fake/clock", use_responses_api=True, **own).bind_tools(TOOLS)
asked = clock.invoke("Hi")
results = [ToolMessage(f"noon in {call['args']['tz']}. ", tool_call_id=call["id"]) for call in asked.tool_calls]
print(clock.invoke([HumanMessage("Hi"), asked, *results]).text)
print(OpenAI(model="fake/tiny", **own).invoke("Hi"))
print(OpenAIEmbeddings(model="fake/tiny", check_embedding_ctx_length=False, **own).embed_query("one"))
"""
PIPECAT = """
from pipecat.frames.frames import (
    InputAudioRawFrame, TranscriptionFrame, VADUserStartedSpeakingFrame, VADUserStoppedSpeakingFrame,
)
from pipecat.services.openai.stt import OpenAIRealtimeSTTService
from pipecat.tests.utils import SleepFrame, run_test

async def hear(**more):
    settings = OpenAIRealtimeSTTService.Settings(model="gpt-transcribe", language="es")
    stt = OpenAIRealtimeSTTService(
        api_key="none", base_url=URL.replace("http", "ws") + "/v1/realtime", settings=settings, **more
    )
    chunks = [PCM[at : at + 3200] for at in range(0, len(PCM), 3200)]
    frames = [InputAudioRawFrame(audio=chunk, sample_rate=16000, num_channels=1) for chunk in chunks]
    if not more:
        frames = [VADUserStartedSpeakingFrame(), *frames, VADUserStoppedSpeakingFrame()]
    down, up = await run_test(stt, frames_to_send=[*frames, SleepFrame(sleep=4)])
    print(*(frame.text for frame in down if isinstance(frame, TranscriptionFrame)))

asyncio.run(hear(turn_detection={"type": "server_vad"}))
asyncio.run(hear())
"""
LIVEKIT = """
from livekit import rtc
from livekit.agents import stt as parts, utils
from livekit.plugins import openai

async def hear(model):
    async with utils.http_context.open():
        stt = openai.STT(base_url=V1, api_key="none", model=model, use_realtime=True, language="es")
        stream = stt.stream()

        async def push():
            for at in range(0, len(PCM), 3200):
                chunk = PCM[at : at + 3200]
                stream.push_frame(rtc.AudioFrame(chunk, 16000, 1, len(chunk) // 2))
                await asyncio.sleep(0.05)
            if model == "gpt-live-transcribe":
                stream.flush()

        pushing = asyncio.create_task(push())
        async for event in stream:
            if event.type == parts.SpeechEventType.FINAL_TRANSCRIPT:
                print(event.alternatives[0].text)
                break
        await pushing
        await stream.aclose()

asyncio.run(asyncio.wait_for(hear("gpt-4o-mini-transcribe"), 60))
asyncio.run(asyncio.wait_for(hear("gpt-live-transcribe"), 60))
"""
FRAMEWORKS = {
    "litellm": Framework(("litellm==1.109.1",), LITELLM, (*[HELLO] * 5, "[0.0, 0.5]")),
    "llama-index": Framework(("llama-index-llms-openai-like==0.8.1",), LLAMA_INDEX, (HELLO,) * 3),
    "langchain": Framework(
        ("langchain-openai==1.7.4",), LANGCHAIN, (HELLO, HELLO, CALLED, HELLO, "[0.0, 0.5]")
    ),
    "pipecat": Framework(("pipecat-ai[openai]==1.14.0",), PIPECAT, (SAID,) * 2),
    "livekit": Framework(("livekit-plugins-openai==1.8.9",), LIVEKIT, (SAID,) * 2),
}


def main() -> None:
    """Run each framework, or those that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the virtual environments are, or are made")
    parser.add_argument("names", nargs="*", default=list(FRAMEWORKS), metavar="NAME")
    chosen = parser.parse_args()
    failed = False
    with run_in_background() as upstream:
        profile = LlmProfile(base_url=upstream.base_url, api_key=SecretStr("sk-upstream"))
        llm = LlmSettings(profiles={"fake": profile}, discover=False)
        stt = {"provider": "whisper_local", "whisper_local": {"model": str(SAMPLES_CHECKPOINT)}}
        with run_server(Settings(_env_file=None, llm=llm, stt=stt)) as server:
            for name in chosen.names:
                problem = run_framework(FRAMEWORKS[name], chosen.folder / name, server.url)
                print(f"{name}: {problem or 'as expected'}", flush=True)
                failed |= bool(problem)
    sys.exit(failed)


def run_framework(framework: Framework, folder: Path, url: str) -> str:
    """What went wrong; empty where nothing did."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *framework.packages], check=True)
    recording = str(ROOT / "samples" / "es_correo_jefe_16k.wav")
    direct = {
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "PROMPTER_URL": url,
        "PROMPTER_RECORDING": recording,
    }
    done = subprocess.run(
        [str(python), "-c", HEAD + framework.program],
        env={**os.environ, **direct, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line in framework.expected]
    return (
        "" if done.returncode == 0 and told == list(framework.expected) else done.stdout + done.stderr[-2000:]
    )


if __name__ == "__main__":
    main()

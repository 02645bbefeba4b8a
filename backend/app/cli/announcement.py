"""What `prompter serve` says at its start: who may come in, and which model answers prompts, or why none does."""

from importlib.util import find_spec
from pathlib import Path

from app.cli.config_sources import mask_password
from app.core.config import Settings
from app.core.paths import WEB_APP, tell_how_to_build
from app.core.security import is_loopback
from app.schemas.providers import USABLE, ProviderState
from app.weights.gguf import GgufFile, find_default_gguf

_COMPAT = "openai_compat"

_CONNECT = (
    'press "Connect a model" in the page, or set OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL in .env'
)


def describe_access(settings: Settings) -> list[str]:
    """Return who has to log in, and what keeps a log-in from being safe; nothing without accounts."""
    if settings.accounts.mode == "none":
        return []
    lines = ["accounts: everybody logs in; add people with: prompter users add NAME"]
    if not settings.tls_cert and not is_loopback(settings.host):
        lines.append(
            "  passwords travel in the clear, and browsers give no microphone: use --tls-cert and --tls-key, or a "
            "reverse proxy with https"
        )
    return lines


def describe_wyoming(settings: Settings, port: int) -> list[str]:
    """Return where the Wyoming protocol is spoken, and whose dictations they are; nothing where it is not.

    `port` is the one that it listens on: port 0 in the setting leaves the choice to the system.
    """
    if not settings.wyoming.uri:
        return []
    lines = [f"Wyoming (Home Assistant) at {settings.wyoming.uri.rpartition(':')[0]}:{port}"]
    if settings.accounts.mode == "accounts":
        lines.append(
            f"  whoever reaches it dictates as {settings.wyoming.user!r}: the protocol has no log-in"
        )
    return lines


def describe_page(built: Path = WEB_APP) -> list[str]:
    """Return how to get the web app, where this installation has none."""
    if (built / "index.html").is_file():
        return []
    return [f"there is no web app: {tell_how_to_build()}; the API and the commands work without it"]


def describe_answers(settings: Settings, provider: str, state: ProviderState, hint: str) -> list[str]:
    """Return who answers prompts that name no model; who cannot answer is not said to. `hint` says what to do."""
    upstream = settings.llm.openai_compat
    name = provider
    if provider == _COMPAT and upstream.model and upstream.base_url:
        name = f"{upstream.model!r} at {mask_password(upstream.base_url)}"
    if state not in USABLE:
        chosen = " is chosen (llm.provider) and" if settings.llm.provider else ""
        return [f"prompts are not answered: {name}{chosen} is {state.replace('_', ' ')}", f"  {hint}"]
    lines = _describe_provider(settings, provider, name)
    return lines if provider == _COMPAT else [lines[0], *_describe_half_set(settings), *lines[1:]]


def _describe_provider(settings: Settings, provider: str, name: str) -> list[str]:
    if provider == "llama_local" and isinstance(file := find_default_gguf(settings), GgufFile):
        return describe_llama(file, settings.models_dir)
    if provider != "echo":
        return [f"prompts are answered by: {name}"]
    return [
        "prompts are answered by: echo, which only repeats them",
        f"  for a model: {_CONNECT}",
        # Without llama.cpp no file would help.
        *(["  or fetch a very small one: prompter models pull smollm2"] if find_spec("xllamacpp") else []),
    ]


def _describe_half_set(settings: Settings) -> list[str]:
    """Return what the service lacks that the settings begin to describe; another one answers in its place."""
    upstream = settings.llm.openai_compat
    given = {"api_key": upstream.api_key.get_secret_value(), "model": upstream.model}
    missing = [name for name, value in given.items() if not value]
    if not upstream.base_url.strip() or not missing:
        return []
    model = f"{upstream.model!r} at " if upstream.model else ""
    names = ", ".join(f"PROMPTER_LLM__OPENAI_COMPAT__{name.upper()}" for name in missing)
    return [f"  not by {model}{mask_password(upstream.base_url)}: set {names}"]


def describe_llama(file: GgufFile, models: Path) -> list[str]:
    """Return what is announced of a model in llama.cpp; `models` is the folder for a better one."""
    answers = f"prompts are answered by: {file.name}, in llama.cpp on this machine"
    if not file.is_very_small:
        return [answers]
    return [
        answers,
        f"  very small: fine for trying out, often wrong; connect a better one: {_CONNECT},",
        f"  or put a larger GGUF file into {models}",
    ]

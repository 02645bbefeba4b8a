"""Checks of the installation's parts: speech models, language models, optional packages, and the page."""

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from app.cli.doctor.findings import Finding, report_ok, report_problem, report_warning
from app.cli.extras import plan_changes, read_installed
from app.core.config import Settings
from app.core.extras import read_extras
from app.core.paths import WEB_APP, tell_how_to_build
from app.weights.checkpoints import find_default_checkpoint
from app.weights.gguf import GgufFile, find_default_gguf

_LOCAL_ENGINES = ("auto", "whisper_local", "pocketsphinx")


# -- models


def check_speech(settings: Settings) -> Iterator[Finding]:
    """Check that the engine of the settings has what it needs; `auto` takes Whisper, else the one for English."""
    provider = settings.stt.provider
    if provider == "openai_compat":
        yield _check_service(settings)
    if provider not in _LOCAL_ENGINES:
        return
    if settings.decode.tier == "ray":
        yield report_ok("speech model", "the decode workers have the models, and this machine needs none")
        return
    checkpoint = find_default_checkpoint(settings)
    asked = settings.stt.whisper_local.model
    pull = "run `prompter models pull base`"
    if provider == "pocketsphinx":
        yield _check_pocketsphinx()
    elif checkpoint is not None:
        yield report_ok("speech model", f"Whisper {checkpoint.name} in {checkpoint.path}")
    elif asked:
        yield report_problem(
            "speech model",
            f"the checkpoint {asked!r} (PROMPTER_STT__WHISPER_LOCAL__MODEL) is not in {settings.models_dir}",
            f"{pull}, or name one that `prompter models list` shows",
        )
    elif provider == "whisper_local" or find_spec("pocketsphinx") is None:
        yield report_problem("speech model", f"there is none in {settings.models_dir}", pull)
    else:
        yield report_warning(
            "speech model",
            f"there is none in {settings.models_dir}: the built-in engine hears English alone, and less well",
            pull,
        )


def _check_service(settings: Settings) -> Finding:
    if settings.stt.openai_compat.base_url:
        return report_ok("speech model", "a transcription service (openai_compat)")
    return report_problem(
        "speech model",
        "the engine openai_compat has no service",
        "set PROMPTER_STT__OPENAI_COMPAT__BASE_URL",
    )


def _check_pocketsphinx() -> Finding:
    if find_spec("pocketsphinx") is not None:
        return report_ok("speech model", "PocketSphinx, built in, for English")
    return report_problem(
        "speech model", "PocketSphinx is not installed", "run `prompter extras add pocketsphinx`"
    )


def check_language_model(settings: Settings, connected: int) -> Iterator[Finding]:
    """Check that something can answer prompts; `connected` models have been connected in the page."""
    upstream = settings.llm.openai_compat
    local = find_default_gguf(settings)
    named = [name for name, value in (("base_url", upstream.base_url), ("model", upstream.model)) if value]
    if len(named) == 1:
        (missing,) = {"base_url", "model"} - set(named)
        yield report_problem(
            "language model",
            f"the service of PROMPTER_LLM__OPENAI_COMPAT__{named[0].upper()} cannot be asked",
            f"set PROMPTER_LLM__OPENAI_COMPAT__{missing.upper()} too",
        )
    sources = [*(("openai_compat",) if len(named) == 2 else ()), *settings.llm.profiles]
    if isinstance(local, GgufFile):
        sources.append(f"{local.name} in llama.cpp")
    elif settings.llm.llama_local.model:
        yield report_problem("language model", "the GGUF file of the settings is not there", local.reason)
    if connected:
        sources.append(f"{connected} connected in the page")
    if sources:
        yield report_ok("language model", ", ".join(sources))
    else:
        yield report_warning(
            "language model",
            "none is known; a model server on this machine may be found while the server runs",
            "connect a model in the page, set OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL, or run "
            "`prompter models pull smollm2`",
        )


# -- packages and the page


def check_extras(settings: Settings, installed: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """Check that the extras that the settings need are installed, and no other one in part or in another version."""
    from packaging.utils import canonicalize_name

    installed = read_installed() if installed is None else installed
    needed = list(_list_needed(settings))
    complete = []
    for extra in read_extras().values():
        changes = plan_changes([extra], installed)
        own = [canonicalize_name(pin.partition("==")[0]) for pin in extra.packages]
        add = f"run `prompter extras add {extra.name}`"
        if not changes:
            complete.append(extra.name)
        elif extra.name in needed and any(name not in installed for name in own):
            yield report_problem(
                "extras", f"the settings need {extra.name} ({extra.purpose}), which is not installed", add
            )
        elif all(name in installed for name in own):
            found = ", ".join(map(str, changes))
            yield report_warning(
                "extras", f"{extra.name} is installed in part or elsewise: needs {found}", add
            )
    yield report_ok("extras", f"installed: {', '.join(complete) or 'none'}")


def _list_needed(settings: Settings) -> Iterator[str]:
    """Yield the extras without which something that the settings ask for does not work."""
    if settings.storage.url.get_secret_value():
        yield "postgres"
    if settings.stt.provider == "pocketsphinx":
        yield "pocketsphinx"
    if settings.llm.llama_local.model:
        yield "llama"
    if settings.assistants.named:
        yield "tools"
    if settings.decode.tier == "ray":
        yield "ray"


def check_page(built: Path = WEB_APP) -> Iterator[Finding]:
    """Check that the web app is built."""
    if (built / "index.html").is_file():
        yield report_ok("page", "the web app is built")
    else:
        yield report_warning("page", "there is no web app; the API works without it", tell_how_to_build())

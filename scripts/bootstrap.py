"""Makes the virtual environment that every `make` target runs in, and keeps it up to date.

Needs nothing but a Python, and even an old one can read this file (no syntax newer than 3.6), to say what is
wrong. A stamp in the environment, written last, tells that it is complete: with it a start costs a few
milliseconds, without it (first run, changed requirements, an interrupted install) the installation is gone
through again.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MINIMUM = (3, 11)
THIS = sys.version_info[:2]
NEWER = ("python3.13", "python3.11", "python3.12", "python3.14")
"""Tried in this order where the Python that was given is too old: those with wheels for everything first."""
HAS_POCKETSPHINX_WHEEL = ((3, 11), (3, 13))
LLAMA = "xllamacpp"
"""The package of llama.cpp: the only one that the server is installed without where it cannot be had."""
STAMP = "prompter-stamp.json"
LOG = "prompter-install.log"
REDUCED = "prompter-requirements.txt"
ASKED = "prompter-models.json"
"""What was missing when `prompter models ensure` was last asked for it, and its exit code."""
ASKED_AGAIN_S = 3600
WHISPER, SMOLLM = "Whisper base", "SmolLM2-135M"
MODELS = {WHISPER: "base", SMOLLM: "smollm2"}
"""What `prompter models ensure` fetches, with the names that `prompter models pull` knows."""
SIZES_MB = {WHISPER: 133, SMOLLM: 93, "llama.cpp": 34}
PACKAGES_MB = 180
NOT_REACHABLE = 3
"""The exit code of `prompter models` where no source of models answers."""
PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "2")


class SetUpError(Exception):
    """Ends the set-up with one line."""


def main(argv: "list[str]") -> int:
    """Make or repair the environment; the exit code."""
    options = parse(argv)
    venv = ROOT / options.venv
    light = options.light and not options.dev
    started_s = time.time()
    try:
        complete = is_complete(venv, options.dev, light)
        if not complete and THIS < MINIMUM:
            return subprocess.call([find_newer(), str(Path(__file__).resolve()), *argv])
        if options.models and not options.light and not options.offline:
            announce(venv, complete)
        if not complete:
            make(venv, options.dev, light)
            say(f"ready after {time.time() - started_s:.0f} s")
        elif link_checkout(venv):
            say(
                f"{venv.name} runs the code of this checkout again (pip had installed or removed a copy of it); "
                "packages come with: make extras EXTRAS=..."
            )
        return fetch_models(venv, options) if options.models else 0
    except SetUpError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; the next run goes on from here")
        return 130


def parse(argv: "list[str]") -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the virtual environment, or repair it.")
    parser.add_argument("--venv", default=".venv", help="its folder, from the checkout's root")
    parser.add_argument("--dev", action="store_true", help="with what tests, lint and types need")
    parser.add_argument("--models", action="store_true", help="fetch the default models too")
    parser.add_argument("--light", action="store_true", help="neither models nor llama.cpp are fetched")
    parser.add_argument("--offline", action="store_true", help="no models are fetched")
    return parser.parse_args(argv)


# -- is there anything to do?


def fingerprints() -> "dict[str, str]":
    """What the environment is made from: a hash for the runtime, and one for the tools on top of it."""
    digest = hashlib.sha256(str(ROOT).encode())
    found = {}
    for kind, name in (("runtime", "requirements.txt"), ("dev", "requirements-dev.txt")):
        digest.update((ROOT / name).read_bytes())
        found[kind] = digest.hexdigest()
    return found


def is_complete(venv: Path, dev: bool, light: bool) -> bool:
    """Whether the stamp is that of these requirements, and of this Python where this one could be used.

    An environment that was made light is complete for light starts only.
    """
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return False
    kind = "dev" if dev else "runtime"
    same_python = THIS < MINIMUM or stamp.get("python") == list(THIS)
    same_kind = stamp.get(kind) == fingerprints()[kind] and (light or not stamp.get("light"))
    return same_python and same_kind and python_of(venv).exists()


def write_stamp(venv: Path, dev: bool, light: bool) -> None:
    """Tell later runs that everything is there."""
    now = fingerprints()
    stamp = {
        "python": list(THIS),
        "runtime": now["runtime"],
        "dev": now["dev"] if dev else None,
        "light": light,
    }
    (venv / STAMP).write_text(json.dumps(stamp))


# -- a Python that is new enough


def find_newer() -> str:
    """The path of a Python that will do.

    Raises:
        SetUpError: there is none.
    """
    for name in NEWER:
        path = shutil.which(name)
        if path and version_of(path) >= MINIMUM:  # a pyenv shim may be there and still start nothing
            return path
    raise SetUpError(
        f"Python 3.11 or newer is needed, and this is {THIS[0]}.{THIS[1]}; install one (Debian: apt install "
        "python3.11 python3.11-venv) or name it: make run PYTHON=/path/to/python3.11"
    )


def version_of(python: str) -> "tuple[int, ...]":
    """(major, minor) of an interpreter; () where it does not run."""
    command = [python, "-c", "import sys; print('%d %d' % sys.version_info[:2])"]
    try:
        output = subprocess.check_output(command, stderr=subprocess.DEVNULL)
        return tuple(int(part) for part in output.split())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ()


# -- making it


def announce(venv: Path, complete: bool) -> None:
    """Say how much is fetched beyond the small packages, before anything is; no word where that is nothing."""
    missing = list_missing_models(models_folder())
    names = leave_out_smollm(venv, missing) if complete else missing
    names = names if earlier_answer(venv, missing) is None else []
    if not complete and not has_llama(venv):
        names = [*names, "llama.cpp"]
    if names:
        total_mb = round(sum(SIZES_MB[name] for name in names), -1)
        packages = "" if (venv / STAMP).exists() else f" and {PACKAGES_MB} MB of packages"
        say(f"fetching about {total_mb} MB for {', '.join(names)}{packages}; LIGHT=1 skips the {total_mb} MB")


def make(venv: Path, dev: bool, light: bool) -> None:
    """Environment, packages, the `prompter` command; the stamp last."""
    if (venv / STAMP).exists():
        (venv / STAMP).unlink()
    make_environment(venv)
    install(venv, "requirements-dev.txt" if dev else "requirements.txt", light)
    if THIS not in HAS_POCKETSPHINX_WHEEL:
        build_pocketsphinx(venv)
    link_checkout(venv)
    write_stamp(venv, dev, light)


def make_environment(venv: Path) -> None:
    """A virtual environment of this Python with a pip that works; one that is fit is kept."""
    python = str(python_of(venv))
    there = version_of(python)
    if there == THIS and subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL) == 0:
        return
    if there and there != THIS:
        say(f"making {venv.name} anew for Python {THIS[0]}.{THIS[1]}")
    try:
        import ensurepip  # noqa: F401  # Debian has it in a package of its own
    except ImportError:
        raise SetUpError(
            "this Python cannot make virtual environments; install what is missing "
            f"(Debian: apt install python{THIS[0]}.{THIS[1]}-venv) and run this again"
        ) from None
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise SetUpError(f"cannot make {venv}: {last_line(done.stdout.decode(errors='replace'))}")


def install(venv: Path, requirements: str, light: bool) -> None:
    """Install a requirements file with one moving line in place of pip's many; without llama.cpp where it fails alone.

    Raises:
        SetUpError: pip failed; the line says what to do, the log has the rest.
    """
    say(f"installing the packages of {requirements} into {venv.name} (a minute or so)")
    wanted = list_requirements(requirements)
    if not light:
        # Compiling llama.cpp takes tools and many minutes, so only its wheels are wanted.
        what = ["--only-binary", LLAMA, "-r", str(ROOT / requirements)]
        if run_pip(venv, what, len(wanted)) == 0:
            return
        log = (venv / LOG).read_text(errors="replace")
        if not re.search(rf"^ERROR.*\b{LLAMA}\b", log, re.M):
            raise SetUpError(explain(log, str(venv / LOG)))
        say(
            "going on without llama.cpp, so no model runs inside the server: the package index has no "
            f"{LLAMA} for this machine (see {keep_log(venv)})"
        )
    reduced = [line for line in wanted if not line.startswith(LLAMA)]
    (venv / REDUCED).write_text("\n".join(reduced) + "\n", encoding="utf-8")
    if run_pip(venv, ["-r", str(venv / REDUCED)], len(reduced)) != 0:
        raise SetUpError(explain((venv / LOG).read_text(errors="replace"), str(venv / LOG)))


def keep_log(venv: Path) -> Path:
    """Keep pip's log from being written over by its next run; where it is then."""
    kept = venv / f"{LLAMA}-{LOG}"
    return (venv / LOG).replace(kept)


def run_pip(venv: Path, what: "list[str]", total: int) -> int:
    """Run pip, keep its words in the log, show how far it is; its exit code."""
    command = [str(python_of(venv)), *PIP, *what]
    names = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        with (venv / LOG).open("wb") as log:
            for line in process.stdout:
                log.write(line)
                text = line.decode(errors="replace")
                found = re.match(r"\s*(?:Collecting|Requirement already satisfied:) ([\w.-]+)", text)
                if found:
                    names.add(found.group(1).lower())
                    repaint(f"{min(len(names), total):>3} of {total}  {found.group(1)}")
                elif text.startswith("Installing collected"):
                    repaint("unpacking")
    repaint("")
    return process.returncode


def list_requirements(name: str) -> "list[str]":
    """The packages that a requirements file names, with those of the files it includes, one requirement each."""
    found = []
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        entry = line.split("#")[0].strip()
        if entry.startswith("-r"):
            found += list_requirements(entry.split()[1])
        elif entry:
            found.append(entry)
    return found


FAILURES = (
    (r"No space left on device", "no space left on the disk; the packages need about 800 MB"),
    (
        r"NewConnectionError|NameResolutionError|Max retries exceeded|Network is unreachable|ReadTimeout",
        "the package index cannot be reached; check the network (or PIP_INDEX_URL) and run this again",
    ),
    (
        r"Failed building wheel|Failed to build|failed-wheel-build|Microsoft Visual C\+\+",
        "a package has to be compiled for this Python and cannot be; use Python 3.11 or 3.13",
    ),
)
"""What pip's log holds, and what that means in one line."""


def explain(log: str, where: str) -> str:
    """Pip's failure in one line."""
    for pattern, meaning in FAILURES:
        if re.search(pattern, log):
            return f"{meaning}; the whole story is in {where}"
    errors = "\n".join(line for line in log.splitlines() if line.startswith("ERROR"))
    return f"the packages cannot be installed: {last_line(errors or log)}; the whole story is in {where}"


def build_pocketsphinx(venv: Path) -> None:
    """The embedded engine has no wheel for this Python: build it where that is possible, else do without."""
    found = re.search(r"^pocketsphinx==[\w.]+", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M)
    assert found is not None, "requirements.txt names pocketsphinx"
    reason = "there is no C compiler"
    if any(shutil.which(name) for name in ("cc", "gcc", "clang", "cl")):
        say(f"compiling {found.group()}, which has no wheel for Python {THIS[0]}.{THIS[1]}")
        if run_pip(venv, [found.group()], 1) == 0:
            return
        reason = f"it does not compile (see {venv / LOG})"
    say(f"going on without the embedded engine: {reason}; Python 3.11 and 3.13 need none for pocketsphinx")


def link_checkout(venv: Path) -> bool:
    """Make the checkout importable and `prompter` a command, without building a package; whether pip had undone it.

    The checkout comes before a copy that pip may install: a server of that copy would have other folders.
    """
    windows = os.name == "nt"
    python, folder = python_of(venv), str(ROOT / "backend")
    own = "python{}.{}".format(*THIS)
    library = venv / "Lib" if windows else next((venv / "lib").glob("python*"), venv / "lib" / own)
    command = venv / ("Scripts/prompter.cmd" if windows else "bin/prompter")
    call = (
        '@"%~dp0python.exe" -P -m app.cli %*\n'
        if windows
        else f'#!/bin/sh\nexec "{python}" -P -m app.cli "$@"\n'
    )
    link = library / "site-packages" / "prompter.pth"
    wanted = {link: f"import sys; sys.path.insert(0, {folder!a})\n", command: call}
    is_own = "-m app.cli" in read_text(command)  # an earlier checkout's is
    wrong = [path for path, text in wanted.items() if read_text(path) != text]
    for path in wrong:
        path.write_text(wanted[path], encoding="utf-8")
    for left_over in (ROOT / "backend").glob("*.egg-info") if wrong else ():
        shutil.rmtree(str(left_over))  # left by a build; with it pip would take the checkout for the copy
    command.chmod(0o755)
    return not is_own


# -- the default models


def fetch_models(venv: Path, options: argparse.Namespace) -> int:
    """Fetch those that are missing; sources that do not answer are not asked again for an hour. 0, or 130.

    Each way that leaves some out says so in one line, and the server starts without them.
    """
    missing = list_missing_models(models_folder())
    answer = earlier_answer(venv, missing)
    if not missing or answer == 0:
        return 0
    if options.light or options.offline:
        word = "LIGHT=1" if options.light else "OFFLINE=1"
        say(
            f"{word}: going on without {' and '.join(missing)}; a start without {word} fetches what is missing"
        )
        return 0
    if answer == NOT_REACHABLE:
        names = leave_out_smollm(venv, missing)
        pulls = ", ".join(f"prompter models pull {MODELS[name]}" for name in names)
        say(f"no {' and no '.join(names)}: no source answered in the last hour; ask again with: {pulls}")
        return 0
    code = subprocess.call([str(python_of(venv)), "-m", "app.cli", "models", "ensure"])
    still_missing = list_missing_models(models_folder())
    (venv / ASKED).write_text(json.dumps({"missing": still_missing, "code": code}))
    return 130 if code in (130, -2) else 0


def earlier_answer(venv: Path, missing: "list[str]") -> "int | None":
    """The exit code of `prompter models ensure` where it still holds for what is missing; None where it is to be asked.

    0 with something missing means that these settings do without it: that holds until `.env` changes.
    """
    try:
        asked = json.loads((venv / ASKED).read_text())
        asked_at_s = (venv / ASKED).stat().st_mtime
    except (OSError, ValueError):
        return None
    dotenv = ROOT / ".env"
    if asked.get("missing") != missing or (dotenv.exists() and dotenv.stat().st_mtime > asked_at_s):
        return None
    is_fresh = asked.get("code") == 0 or time.time() - asked_at_s < ASKED_AGAIN_S
    return asked["code"] if is_fresh and asked["code"] in (0, NOT_REACHABLE) else None


def leave_out_smollm(venv: Path, names: "list[str]") -> "list[str]":
    """The names without SmolLM2 where there is no llama.cpp to run it."""
    return [name for name in names if name != SMOLLM or has_llama(venv)]


def models_folder() -> Path:
    """The folder of the models, from the environment or `.env` as the server takes it."""
    named = os.environ.get("PROMPTER_MODELS_DIR") or in_dotenv("PROMPTER_MODELS_DIR") or "models"
    return ROOT / Path(named).expanduser()


def in_dotenv(name: str) -> str:
    """The value of a name in `.env`; empty where there is none."""
    try:
        text = (ROOT / ".env").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    found = re.search(rf"^\s*(?:export\s+)?{name}\s*=\s*[\"']?([^\"'#\n]*)", text, re.M)
    return found.group(1).strip() if found else ""


def list_missing_models(models: Path) -> "list[str]":
    """A quick look; `prompter models ensure` looks again, and closely, before it fetches anything."""
    names = [path.parent.name for path in models.glob("*/model.bin")]
    has_whisper = any(name != "whisper-samples" and not name.startswith(".") for name in names)
    files = [path.relative_to(models) for path in (*models.glob("*.gguf"), *models.glob("*/*.gguf"))]
    has_gguf = any(not path.parts[0].startswith(".") for path in files)
    return [name for name, there in ((WHISPER, has_whisper), (SMOLLM, has_gguf)) if not there]


# -- small things


def python_of(venv: Path) -> Path:
    """The environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def has_llama(venv: Path) -> bool:
    """Whether llama.cpp is installed."""
    return any(any(venv.glob(f"{library}/site-packages/{LLAMA}")) for library in ("lib/python*", "Lib"))


def read_text(path: Path) -> str:
    """The text of a file; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def last_line(text: str) -> str:
    """What a program said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def repaint(text: str) -> None:
    """One line that changes in place, at a terminal only."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{text}")
        sys.stderr.flush()


def say(text: str) -> None:
    """One line for the person who waits."""
    sys.stderr.write(f"prompter: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

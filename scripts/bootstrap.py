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
STAMP = "prompter-stamp.json"
LOG = "prompter-install.log"
HUB_SILENT = "prompter-hub-silent"
HUB_ASKED_AGAIN_S = 24 * 3600
PIP = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--retries", "2")


class SetUpError(Exception):
    """Ends the set-up with one line."""


def main(argv: "list[str]") -> int:
    """Make or repair the environment; the exit code."""
    options = parse(argv)
    venv = ROOT / options.venv
    started_s = time.time()
    try:
        if not is_complete(venv, options.dev):
            if THIS < MINIMUM:
                return subprocess.call([find_newer(), str(Path(__file__).resolve()), *argv])
            make(venv, options.dev)
            say(f"ready after {time.time() - started_s:.0f} s")
        return fetch_checkpoint(venv) if options.checkpoint else 0
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
    parser.add_argument("--checkpoint", action="store_true", help="fetch the default Whisper checkpoint too")
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


def is_complete(venv: Path, dev: bool) -> bool:
    """Whether the stamp is that of these requirements, and of this Python where this one could be used."""
    try:
        stamp = json.loads((venv / STAMP).read_text())
    except (OSError, ValueError):
        return False
    kind = "dev" if dev else "runtime"
    same_python = THIS < MINIMUM or stamp.get("python") == list(THIS)
    return same_python and stamp.get(kind) == fingerprints()[kind] and python_of(venv).exists()


def write_stamp(venv: Path, dev: bool) -> None:
    """Tell later runs that everything is there."""
    now = fingerprints()
    stamp = {"python": list(THIS), "runtime": now["runtime"], "dev": now["dev"] if dev else None}
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


def make(venv: Path, dev: bool) -> None:
    """Environment, packages, the `prompter` command; the stamp last."""
    if (venv / STAMP).exists():
        (venv / STAMP).unlink()
    make_environment(venv)
    install(venv, "requirements-dev.txt" if dev else "requirements.txt")
    if THIS not in HAS_POCKETSPHINX_WHEEL:
        build_pocketsphinx(venv)
    link_checkout(venv)
    write_stamp(venv, dev)


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


def install(venv: Path, requirements: str) -> None:
    """Install a requirements file with one moving line in place of pip's many.

    Raises:
        SetUpError: pip failed; the line says what to do, the log has the rest.
    """
    say(f"installing the packages of {requirements} into {venv.name} (a minute or so)")
    if run_pip(venv, ["-r", str(ROOT / requirements)], count_requirements(requirements)) != 0:
        log = venv / LOG
        raise SetUpError(explain(log.read_text(errors="replace"), str(log)))


def run_pip(venv: Path, what: "list[str]", total: int) -> int:
    """Run pip, keep its words in the log, show how far it is; its exit code."""
    command = [str(python_of(venv)), *PIP, *what]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    names = set()
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
    return process.wait()


def count_requirements(name: str) -> int:
    """How many packages a requirements file names, with those of the files it includes."""
    count = 0
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        entry = line.split("#")[0].strip()
        if entry.startswith("-r"):
            count += count_requirements(entry.split()[1])
        elif entry:
            count += 1
    return count


FAILURES = (
    (r"No space left on device", "no space left on the disk; the packages need about 700 MB"),
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


def link_checkout(venv: Path) -> None:
    """Make the checkout importable and `prompter` a command, without building a package."""
    windows = os.name == "nt"
    library = venv / "Lib" if windows else venv / "lib" / f"python{THIS[0]}.{THIS[1]}"
    (library / "site-packages" / "prompter.pth").write_text(f"{ROOT / 'backend'}\n")
    if windows:
        (venv / "Scripts" / "prompter.cmd").write_text('@"%~dp0python.exe" -m app.cli %*\n')
        return
    command = venv / "bin" / "prompter"
    command.write_text(f'#!/bin/sh\nexec "{python_of(venv)}" -m app.cli "$@"\n')
    command.chmod(0o755)


# -- the default checkpoint


def fetch_checkpoint(venv: Path) -> int:
    """Fetch it where none is there; a hub that does not answer is not asked again for a day. 0, or 130."""
    silent = venv / HUB_SILENT
    if has_checkpoint(Path(os.environ.get("PROMPTER_MODELS_DIR") or ROOT / "models")):
        return 0
    if silent.exists() and time.time() - silent.stat().st_mtime < HUB_ASKED_AGAIN_S:
        say("no Whisper checkpoint, and no answer from the hub today; ask it with: prompter models pull base")
        return 0
    code = subprocess.call([str(python_of(venv)), "-m", "app.cli", "models", "ensure"])
    if code == 3:
        silent.touch()
    elif silent.exists():
        silent.unlink()
    return 130 if code in (130, -2) else 0


def has_checkpoint(models: Path) -> bool:
    """A quick look; `prompter models ensure` looks again, and closely, before it fetches anything."""
    names = [path.parent.name for path in models.glob("*/model.bin")]
    return any(name != "whisper-samples" and not name.startswith(".") for name in names)


# -- small things


def python_of(venv: Path) -> Path:
    """The environment's interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


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

"""The reader process: reads one attached file from standard input, writes its text and pictures to standard output.

It imports nothing of the server but this package. It gets no path, no key and no environment, may open no file and no
socket while it reads, and ends with the file.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from app.providers.files.wire import DONE, HEAD, REFUSED, Job, ReadingRefused, Send

PICTURE_MEMORY_BYTES = 330 << 20
DOCUMENT_MEMORY_BYTES = 140 << 20
"""What a reader may take for its data, besides the libraries."""
CPU_S = 4
NICE = 5


def limit(memory_bytes: int) -> None:
    """Limit this process to what reading needs, where the system can enforce that."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    free = os.dup(0)
    os.close(free)
    wanted = {
        "RLIMIT_CPU": CPU_S,
        "RLIMIT_DATA": memory_bytes,
        "RLIMIT_NOFILE": free,  # open files stay usable; no other file and no socket can be opened
        "RLIMIT_FSIZE": 0,
        "RLIMIT_CORE": 0,
    }
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(kind, (least, least))
        except (OSError, ValueError):
            continue  # some systems have a limit that they cannot set
    os.nice(NICE)


def choose_reader(format_: str) -> tuple[Callable[[Any, Job, Send], None], int]:
    """The function that reads a format, with everything loaded that it needs, and its memory (bytes)."""
    if format_ == "pdf":
        from app.providers.files.pdf import load_pdf_reader

        return load_pdf_reader(), DOCUMENT_MEMORY_BYTES
    if format_ in ("docx", "text"):
        from app.providers.files import texts

        return (texts.read_docx if format_ == "docx" else texts.read_text), DOCUMENT_MEMORY_BYTES
    from app.providers.files.pictures import load_picture_reader

    return load_picture_reader(format_), PICTURE_MEMORY_BYTES


def main() -> None:
    """Read standard input. The argument is JSON: see `Job`."""
    job = Job(**json.loads(sys.argv[1]))
    out = os.fdopen(1, "wb", buffering=0)

    def send(kind: bytes, body: bytes = b"") -> None:
        for piece in (HEAD.pack(kind, len(body)), body):
            message = memoryview(piece)
            while message:
                message = message[out.write(message) :]

    try:
        read, memory_bytes = choose_reader(job.format)
        limit(memory_bytes)
        with os.fdopen(0, "rb", buffering=1 << 16) as file:
            read(file, job, send)
        send(DONE)
    except ReadingRefused as refusal:
        send(REFUSED, str(refusal).encode())
    except MemoryError:
        send(REFUSED, b"reading the file takes more memory than a file may")
    except BrokenPipeError:
        pass  # the server does not read any more
    except Exception:  # noqa: BLE001  # a library's own errors for damaged files are of every class
        send(REFUSED, b"the file is damaged, or not what its first bytes say")
    os._exit(0)  # nothing is left to flush, and cleanup in a library could only fail

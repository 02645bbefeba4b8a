"""Files that are made to harm whoever reads them, and a reader whose memory and time are measured."""

import io
import json
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import anyio
import av
import numpy as np

from app.core.errors import FileNotReadable
from app.providers.files.reader import FileReader, ReadFile
from app.providers.files.sniffing import sniff_file

WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
BACKEND = Path(__file__).resolve().parents[2]
PLACE = "+40.4168-003.7038/"
SAID = {
    "location": PLACE,
    "com.apple.quicktime.location.ISO6709": PLACE,
    "make": "SecretCamera",
    "title": "SecretTitle",
    "creation_time": "2026-01-02T03:04:05Z",
}
"""What a camera writes into a recording."""


async def read_bytes(data: bytes, name: str = "x", text_bytes: int = 80_000) -> ReadFile:
    """Read a file as the server does."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        kind = sniff_file(file, name)
        assert kind is not None
        return await FileReader(1, text_bytes).read(file, kind)


@dataclass(frozen=True)
class Harm:
    """What reading a file took."""

    refusal: str
    """Empty where it was read."""
    peak_mb: float
    """Resident memory of the process that read it."""
    cpu_s: float


def measure_harm(path: Path) -> Harm:
    """Read a file in a program of its own, whose children are the reader alone."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "from tests.support.files import report_harm; report_harm(sys.argv[2])"
    )
    command = [sys.executable, "-c", code, str(BACKEND), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    return Harm(**json.loads(done.stdout))


def report_harm(path: str) -> None:
    """Print what reading a file took, as JSON."""
    import resource

    refusal = ""
    try:
        anyio.run(read_bytes, Path(path).read_bytes(), path)
    except FileNotReadable as error:
        refusal = error.message
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak_mb = used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    sys.stdout.write(
        json.dumps({"refusal": refusal, "peak_mb": peak_mb, "cpu_s": used.ru_utime + used.ru_stime})
    )


def make_png_bomb(width: int, height: int, colour_type: int = 2) -> bytes:
    """A PNG of nothing but zeros: some kilobytes that claim gigabytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack("!I", len(body)) + kind + body + struct.pack("!I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    row = bytes(1 + width * {0: 1, 2: 3, 6: 4}[colour_type])
    count = min(height, 1 + (32 << 20) // len(row))  # the header is what harms
    rows = b"".join([*(packer.compress(row) for _ in range(count)), packer.flush()])
    head = struct.pack("!IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def make_docx(body: str | Iterator[bytes], *, prolog: str = "") -> bytes:
    """A Word document with this body, or with these bytes as its whole main part."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w", force_zip64=True) as part:
            if isinstance(body, str):
                part.write(
                    f'{prolog}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>'.encode()
                )
            else:
                for piece in body:
                    part.write(piece)
    return buffer.getvalue()


def make_pdf(*contents: bytes, packed: bool = False, pages: int | None = None) -> bytes:
    """A PDF with a page for each content, or so many pages of the first one."""
    pages = len(contents) if pages is None else pages
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    first_content = len(objects) + 1
    for stream in contents:
        how = b"/Filter/FlateDecode" if packed else b""
        objects.append(b"<</Length %d%s>>stream\n%s\nendstream" % (len(stream), how, stream))
    kids = []
    for number in range(pages):
        content = first_content + min(number, len(contents) - 1)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>"
            % content
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (pages, b" ".join(kids))
    out, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def say(text: str) -> bytes:
    """A page's content that shows a line."""
    return b"BT /F 24 Tf 72 700 Td (%s) Tj ET" % text.encode("latin-1")


def make_recording(format_: str) -> bytes:
    """A second of sound and five pictures, which says where it was made."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format_, options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(SAID)
        video: Any = container.add_stream("mpeg4", rate=5)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio: Any = container.add_stream("aac", rate=16_000, layout="mono")
        for number in range(5):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number * 40, np.uint8), format="rgb24")
            picture.pts = number
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        tone = (np.sin(np.arange(16_000) / 6) * 8000).astype(np.int16)
        for start in range(0, 16_000, 1000):
            sound = av.AudioFrame.from_ndarray(tone[None, start : start + 1000], format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 16_000, start, Fraction(1, 16_000)
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return buffer.getvalue()

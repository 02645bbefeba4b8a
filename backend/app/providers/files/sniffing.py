"""Recognizes what an attached file is by its content: its name and content type may be wrong."""

from dataclasses import dataclass
from os import SEEK_END
from pathlib import PurePath
from typing import BinaryIO, Literal

from app.providers.files.texts import find_unicode
from app.providers.media.formats import sniff as sniff_recording

FileKind = Literal["image", "text", "document", "audio", "video"]

KNOWN = (
    "a picture (PNG, JPEG, WebP, GIF, HEIC, AVIF), a text (also code, CSV, JSON, Markdown), a PDF or DOCX, or a"
    " recording or video"
)

_HEAD_BYTES = 4096
_PDF_BYTES = 1024
"""A PDF may have other bytes before its header."""
_PDF_END_BYTES = 2048
_TEXT_CONTROLS = b"\t\n\r\f\x1b\a\b\v\x1a"
"""Those of white space, of what a terminal has written, and the end of an old text."""
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_TEXT_TYPES = {
    **dict.fromkeys((".md", ".markdown"), "text/markdown"),
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
}
"""Only how a text is called: it is sent and shown as plain text in any case."""
_RECORDINGS = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "amr": "audio/amr",
    "caf": "audio/x-caf",
    "aiff": "audio/aiff",
    "asf": "video/x-ms-asf",
    "avi": "video/x-msvideo",
    "flv": "video/x-flv",
    "mpeg": "video/mpeg",
    "mpegts": "video/mp2t",
}
_WEAK = frozenset({"mp3", "aac", "ac3", "eac3", "mpegts", "tak", "mpc", "voc"})
"""Recordings whose first bytes are short: a text must not be taken for one."""


@dataclass(frozen=True, slots=True)
class FileType:
    """What a file is."""

    kind: FileKind
    media_type: str
    format: str
    """What reads it: a format of pictures, `pdf`, `docx`, `text`, or the demuxer of a recording."""


def sniff_file(file: BinaryIO, name: str) -> FileType | None:
    """What the file is; None where it is none of the known kinds. Moves the file's position.

    The name only tells texts apart, which are all read alike.
    """
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    if found := _match_picture(head) or _match_document(file, head):
        return found
    if looks_like_text(head):
        return FileType("text", _TEXT_TYPES.get(PurePath(name).suffix.lower(), "text/plain"), "text")
    return _match_recording(file, head)


def looks_like_text(head: bytes) -> bool:
    """Whether these first bytes can be a text: Unicode with zeros in it, or bytes without most control characters."""
    if find_unicode(head):
        return True
    controls = sum(byte < 32 and byte not in _TEXT_CONTROLS for byte in head)
    return bool(head) and controls == 0


def _match_picture(head: bytes) -> FileType | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return FileType("image", "image/png", "PNG")
    if head.startswith(b"\xff\xd8\xff"):
        return FileType("image", "image/jpeg", "JPEG")
    if head.startswith((b"GIF87a", b"GIF89a")):
        return FileType("image", "image/gif", "GIF")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return FileType("image", "image/webp", "WEBP")
    if head[4:8] == b"ftyp":
        brands = head[8 : min(int.from_bytes(head[:4]), 128)]
        if head[8:12] in (b"avif", b"avis") or (head[8:12] in (b"mif1", b"msf1") and b"avi" in brands):
            return FileType("image", "image/avif", "AVIF")
        if head[8:12] in _HEIF_BRANDS:
            return FileType("image", "image/heic", "HEIF")
    return None


def _match_document(file: BinaryIO, head: bytes) -> FileType | None:
    # A text may speak of PDF in its first lines; it does not end like one.
    if head.startswith(b"%PDF-") or (b"%PDF-" in head[:_PDF_BYTES] and b"startxref" in _read_end(file)):
        return FileType("document", "application/pdf", "pdf")
    if head.startswith(b"PK\x03\x04"):
        media = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
        return FileType("document", media, "docx")
    return None


def _read_end(file: BinaryIO) -> bytes:
    size = file.seek(0, SEEK_END)
    file.seek(max(size - _PDF_END_BYTES, 0))
    return file.read(_PDF_END_BYTES)


def _match_recording(file: BinaryIO, head: bytes) -> FileType | None:
    found = sniff_recording(file)
    if found is None or (found.demuxer in _WEAK and found.begin > _HEAD_BYTES):
        return None
    if found.demuxer == "mov":
        media = "audio/mp4" if head[8:11] == b"M4A" else "video/mp4"
    elif found.demuxer == "matroska":
        media = "video/webm" if b"webm" in head[:64] else "video/x-matroska"
        if b"V_" not in head and b"A_" in head:
            media = "audio/webm"
    else:
        media = _RECORDINGS.get(found.demuxer, f"audio/x-{found.demuxer}")
    return FileType("video" if media.startswith("video/") else "audio", media, found.demuxer)

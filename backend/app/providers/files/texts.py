"""Reads texts and DOCX in the reader process: decoded, of bounded length, without any part of XML that expands."""

import codecs
import json
import unicodedata
import zipfile
from collections.abc import Container
from typing import Any
from xml.parsers import expat

from app.providers.files.wire import ABOUT, TEXT, Job, ReadingRefused, Send

_PIECE_BYTES = 1 << 16
_HEAD_BYTES = 4096
_STRANGE = frozenset(("Cc", "Cn", "Co", "Cs"))
"""Categories of characters that hardly any text has."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DOCUMENT = "word/document.xml"
UNPACKED_BYTES = 64 << 20
"""A document of a thousand pages has 20 MB."""
MOST_ENTRIES = 10_000
_OTHER_ARCHIVES = {
    "xl/workbook.xml": "the file is a spreadsheet; save its sheets as CSV and send those",
    "xl/workbook.bin": "the file is a spreadsheet; save its sheets as CSV and send those",
    "ppt/presentation.xml": "the file is a presentation; save it as PDF and send that",
    "META-INF/manifest.xml": "the file is an OpenDocument file; save it as PDF, DOCX or CSV and send that",
    "META-INF/container.xml": "the file is an e-book; save it as PDF or text and send that",
}
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"


class TextBuffer:
    """Collects a text up to a number of bytes, and counts all of it."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._pieces: list[bytes] = []
        self.kept_bytes = 0
        self.total_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether something was left out."""
        return self.total_bytes > self.kept_bytes

    def add(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        self.total_bytes += len(data)
        if self.kept_bytes < self._most_bytes and len(self._pieces) < 1_000_000:
            kept = data[: self._most_bytes - self.kept_bytes]
            self._pieces.append(kept)
            self.kept_bytes += len(kept)

    def send(self, send: Send, **about: object) -> None:
        """Send the text, and how much of it there was."""
        send(ABOUT, json.dumps({"total_bytes": self.total_bytes, **about}).encode())
        send(TEXT, self.read())

    def read(self) -> bytes:
        """What was kept, without half a character at its end."""
        return b"".join(self._pieces).decode("utf-8", "ignore").replace("\x00", "").encode()


def find_unicode(head: bytes) -> tuple[bytes, str] | None:
    """The mark and the encoding of a text in Unicode that has a mark, or zeros, by its first bytes; else None."""
    for mark, name in _MARKS:
        if head.startswith(mark) and _is_readable(head[len(mark) :], name):
            return mark, name
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if 2 * zeros.count(0) > len(zeros) and _is_readable(head, name):
            return b"", name
    return None


def _is_readable(head: bytes, encoding: str) -> bool:
    """Whether bytes are a text in this encoding, of characters that texts have; the last one may be cut."""
    try:
        text = codecs.getincrementaldecoder(encoding)("strict").decode(head)
    except UnicodeDecodeError:
        return False
    strange = sum(unicodedata.category(each) in _STRANGE and each not in "\t\n\r\f\x1b" for each in text)
    return 50 * strange <= len(text) and "\x00" not in text


def read_text(file: Any, job: Job, send: Send) -> None:
    """Send a text in UTF-8. Its encoding is told by its bytes: Unicode, else that of Western Windows."""
    found = find_unicode(file.read(_HEAD_BYTES))
    mark, names = (found[0], (found[1],)) if found else (b"", ("utf-8", "cp1252"))
    for name in names:
        file.seek(len(mark))
        try:
            decoder = codecs.getincrementaldecoder(name)("strict")
            text = _decode(file, decoder, job.text_bytes, allows_nul="16" in name or "32" in name)
        except UnicodeDecodeError:
            continue
        text.send(send, encoding=name)
        return
    raise ReadingRefused("the file is no text in Unicode or Windows-1252; save it as UTF-8, and send that")


def _decode(
    file: Any, decoder: codecs.IncrementalDecoder, most_bytes: int, *, allows_nul: bool
) -> TextBuffer:
    """`allows_nul`: bytes of zero are parts of characters."""
    text, carry = TextBuffer(most_bytes), ""
    while data := file.read(_PIECE_BYTES):
        if b"\x00" in data and not allows_nul:
            raise ReadingRefused("the file is no text: it holds bytes that no text has")
        piece = carry + decoder.decode(data)
        carry = piece[-1:] if piece.endswith("\r") else ""
        text.add(piece[: len(piece) - len(carry)].replace("\r\n", "\n").replace("\r", "\n"))
    text.add((carry + decoder.decode(b"", True)).replace("\r", "\n"))
    return text


for _name in ("cp1252", "cp437", "ascii", "latin-1", *(name for _, name in _MARKS)):
    codecs.lookup(_name)  # loaded while files can still be opened


# -- DOCX


def read_docx(file: Any, job: Job, send: Send) -> None:
    """Send the text of a Word document: paragraphs, headings, lists and tables, in their order."""
    try:
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > MOST_ENTRIES:
                raise ReadingRefused("the file holds more parts than a document has")
            if _DOCUMENT not in archive.NameToInfo:
                raise ReadingRefused(_explain_archive(archive.NameToInfo))
            if archive.NameToInfo[_DOCUMENT].file_size > UNPACKED_BYTES:  # no more than that is unpacked
                raise ReadingRefused(
                    f"the document unpacks to more than {UNPACKED_BYTES >> 20} MB; send it in parts"
                )
            reader = DocxReader(TextBuffer(job.text_bytes))
            with archive.open(_DOCUMENT) as part:
                _parse(part, reader)
    except (zipfile.BadZipFile, expat.ExpatError, NotImplementedError, RuntimeError):
        raise ReadingRefused("the document is damaged, or locked with a password") from None
    reader.text.send(send)


def _explain_archive(parts: Container[str]) -> str:
    """What a ZIP archive is that is no Word document, and what to send in its place."""
    for part, advice in _OTHER_ARCHIVES.items():
        if part in parts:
            return advice
    return "the file is a ZIP archive, and no Word document (DOCX); unpack it and send what is inside"


def _parse(part: Any, reader: "DocxReader") -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.write
    parser.StartDoctypeDeclHandler = _refuse_doctype
    while data := part.read(_PIECE_BYTES):
        parser.Parse(data, False)
    parser.Parse(b"", True)


def _refuse_doctype(*_: object) -> None:
    """No document has one: with it come entities, which can expand to gigabytes or name files."""
    raise ReadingRefused("the document declares a document type, which no Word document does")


class DocxReader:
    """Makes plain text of the elements of `word/document.xml`."""

    def __init__(self, text: TextBuffer) -> None:
        self.text = text
        self._line: list[str] = []
        self._prefix = ""
        self._in_text = 0
        self._cells = 0
        """Tables that the reader is inside of."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        tag = _read_tag(name)
        if tag == "t":
            self._in_text += 1
        elif tag == "tab":
            self._line.append("\t")
        elif tag in ("br", "cr"):
            self._line.append("\n")
        elif tag == "tbl":
            self._cells += 1
        elif tag == "pStyle":
            self._prefix = _make_heading(_read_value(attributes)) or self._prefix
        elif tag == "numPr" and not self._prefix:
            self._prefix = "- "

    def end(self, name: str) -> None:
        tag = _read_tag(name)
        if tag == "t":
            self._in_text -= 1
        elif tag == "p":
            self._end_paragraph()
        elif tag == "tc":
            self._line.append("\t")
        elif tag == "tr":
            self.text.add("".join(self._line).rstrip("\t ") + "\n")
            self._line.clear()
        elif tag == "tbl":
            self._cells -= 1

    def write(self, data: str) -> None:
        if self._in_text:
            self._line.append(data)

    def _end_paragraph(self) -> None:
        if self._cells:
            self._line.append(" ")
            return
        line = "".join(self._line)
        self.text.add(f"{self._prefix if line.strip() else ''}{line}\n")
        self._line.clear()
        self._prefix = ""


def _read_tag(name: str) -> str:
    """The local name of an element of Word's; empty for any other."""
    space, _, tag = name.rpartition(" ")
    return tag if space in (_WORD, _STRICT) else ""


def _read_value(attributes: dict[str, str]) -> str:
    return next((value for name, value in attributes.items() if name.endswith(" val")), "")


def _make_heading(style: str) -> str:
    level = style.lower().removeprefix("heading").strip()
    return "#" * min(int(level), 6) + " " if level.isdecimal() and level.isascii() and int(level) else ""

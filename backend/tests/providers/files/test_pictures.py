"""Pictures: written anew without metadata, upright, of bounded size; bombs are refused by their header."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.core.errors import FileNotReadable
from tests.support.attachments import make_picture
from tests.support.files import make_png_bomb, measure_harm, read_bytes


def open_picture(data: bytes | None) -> Any:
    assert data is not None
    return Image.open(io.BytesIO(data))


def make_noise(size: tuple[int, int], format_: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, format_, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
async def test_metadata_is_gone_and_the_picture_is_upright(format_: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x9286] = 6, "Secret", b"Secret"
    exif.get_ifd(0x8825)[1] = "Secret"
    options: dict[str, Any] = {"JPEG": {"comment": b"Secret"}, "WEBP": {"xmp": b"Secret"}}.get(format_, {})
    read = await read_bytes(make_picture(format_, exif=exif, **options))
    assert (read.width, read.height) == (480, 640)
    made = open_picture(read.content)
    assert (made.format, made.size, dict(made.getexif())) == (format_, (480, 640), {})
    for data in (read.content, read.thumbnail, *read.views):
        assert b"Secret" not in (data or b"")


async def test_a_model_is_sent_a_picture_of_bounded_size() -> None:
    read = await read_bytes(make_noise((3000, 1000), "JPEG"))
    (view,) = read.views
    assert open_picture(view).size == (2048, 683)
    assert open_picture(read.thumbnail).size == (480, 160)
    small = await read_bytes(make_picture("PNG"))
    assert (small.views, small.shows_content) == ((), True)
    webp = await read_bytes(make_picture("WEBP"))
    assert open_picture(webp.views[0]).format == "JPEG"


async def test_what_is_transparent_stays_so() -> None:
    buffer = io.BytesIO()
    Image.new("RGBA", (600, 600), (0, 0, 0, 0)).save(buffer, "PNG")
    read = await read_bytes(buffer.getvalue())
    assert open_picture(read.content).getpixel((5, 5)) == (0, 0, 0, 0)
    assert open_picture(read.thumbnail).mode == "RGBA"


async def test_of_an_animation_the_first_picture_is_kept() -> None:
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (250, 120, 10)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    read = await read_bytes(buffer.getvalue())
    made = open_picture(read.content)
    assert (read.media_type, made.format, made.convert("RGB").getpixel((0, 0))[0]) == (
        "image/png",
        "PNG",
        250,
    )


async def test_a_photo_of_heic_becomes_jpeg() -> None:
    heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    heif.from_pillow(Image.new("RGB", (320, 240), (10, 200, 30))).save(buffer, quality=80)
    read = await read_bytes(buffer.getvalue(), "IMG_1.HEIC")
    assert (read.media_type, read.width, read.height) == ("image/jpeg", 320, 240)


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\nx", b"\xff\xd8\xffx", b"GIF89ax", b"RIFF\x04\x00\x00\x00WEBPx"]
)
async def test_a_damaged_picture_is_refused(data: bytes) -> None:
    with pytest.raises(FileNotReadable, match="damaged"):
        await read_bytes(data)


@pytest.mark.parametrize("size", [(60_000, 60_000), (2_000_000, 2_000), (25_000, 1001)])
def test_a_picture_of_gigabytes_is_refused_before_it_is_decoded(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(make_png_bomb(*size))
    harm = measure_harm(path)
    assert "megapixels" in harm.refusal
    assert harm.peak_mb < 100
    assert harm.cpu_s < 4


def test_the_largest_picture_that_is_read_takes_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    buffer = io.BytesIO()
    Image.new("RGB", (8000, 6000), (9, 90, 200)).save(buffer, "JPEG")
    path.write_bytes(buffer.getvalue())
    harm = measure_harm(path)
    assert harm.refusal == ""
    assert harm.peak_mb < 200

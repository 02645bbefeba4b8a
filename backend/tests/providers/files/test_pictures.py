"""Pictures: written anew without metadata, upright, of bounded size; bombs are refused by their header."""

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin, features

from app.core.errors import FileNotReadable
from app.providers.files.animations import copy_animation
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


def make_animation(format_: str, **options: Any) -> bytes:
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (250, 120, 10)]
    buffer = io.BytesIO()
    frames[0].save(buffer, format_, save_all=True, append_images=frames[1:], duration=90, loop=0, **options)
    return buffer.getvalue()


def list_frames(data: bytes | None) -> list[tuple[int, Any]]:
    """Shade and duration (ms) of each picture of an animation."""
    opened = open_picture(data)
    frames: list[tuple[int, Any]] = []
    for number in range(opened.n_frames):
        opened.seek(number)
        frames.append((round(opened.convert("RGB").getpixel((0, 0))[0], -1), opened.info["duration"]))
    return frames


def make_said(format_: str) -> dict[str, Any]:
    """What an animation says about itself, as options of the encoder."""
    if format_ == "GIF":
        return {"comment": b"Secret"}
    exif = Image.Exif()
    exif[0x010F] = "Secret"
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "Secret")
    return {"exif": exif, "xmp": b"Secret"} if format_ == "WEBP" else {"exif": exif, "pnginfo": info}


@pytest.mark.parametrize(
    ("format_", "media_type"), [("GIF", "image/gif"), ("PNG", "image/apng"), ("WEBP", "image/webp")]
)
async def test_an_animation_is_kept_whole_without_metadata(format_: str, media_type: str) -> None:
    animation = make_animation(format_, **make_said(format_))
    assert b"Secret" in animation
    read = await read_bytes(animation + b"<script>Secret</script>")
    assert (read.media_type, read.width, read.height) == (media_type, 40, 30)
    assert list_frames(read.content) == [(250, 90), (120, 90), (10, 90)]
    assert b"Secret" not in (read.content or b"")
    (view,) = read.views  # a model is sent the first picture
    assert getattr(open_picture(view), "n_frames", 1) == 1


async def test_an_animation_that_is_made_unusually_is_its_first_picture() -> None:
    wide = bytearray(make_animation("GIF"))
    at = wide.rindex(b",\x00\x00\x00\x00") + 5
    wide[at : at + 4] = b"\xff\xff\xff\xff"  # a frame of four gigapixels
    for animation in (bytes(wide), make_animation("GIF")[:-20]):
        read = await read_bytes(animation)
        assert (read.media_type, open_picture(read.content).size) == ("image/png", (40, 30))


@given(data=st.data(), format_=st.sampled_from(("GIF", "PNG", "WEBP")))
def test_damaged_animations_are_copied_or_not(data: st.DataObject, format_: str) -> None:
    animation = bytearray(ANIMATIONS[format_])
    for _ in range(data.draw(st.integers(1, 4))):
        animation[data.draw(st.integers(0, len(animation) - 1))] = data.draw(st.integers(0, 255))
    copied = copy_animation(bytes(animation[: data.draw(st.integers(0, len(animation)))]), format_)
    assert copied is None or len(copied) <= len(animation) + 1


ANIMATIONS = {format_: make_animation(format_) for format_ in ("GIF", "PNG", "WEBP")}


async def test_avif_becomes_jpeg_or_png_where_it_is_transparent() -> None:
    if not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    read = await read_bytes(make_picture("AVIF"), "x.jpg")
    assert (read.media_type, read.width, read.height) == ("image/jpeg", 640, 480)
    buffer = io.BytesIO()
    Image.new("RGBA", (60, 60), (9, 9, 9, 0)).save(buffer, "AVIF")
    assert (await read_bytes(buffer.getvalue())).media_type == "image/png"


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

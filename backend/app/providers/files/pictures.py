"""Reads pictures in the reader process: without what they say about place and camera, upright, and of bounded size."""

import io
import json
from collections.abc import Callable
from typing import Any

from app.providers.files.animations import MEDIA_TYPES, copy_animation
from app.providers.files.wire import ABOUT, CONTENT, THUMBNAIL, VIEW, Job, ReadingRefused, Send

MOST_PIXELS = {
    "JPEG": 200_000_000,
    "PNG": 25_000_000,
    "GIF": 25_000_000,
    "WEBP": 12_600_000,
    "HEIF": 25_000_000,
    "AVIF": 25_000_000,
}
"""The largest picture of each format; decoders take several bytes a pixel."""
JPEG_PIXELS = 17_000_000
"""A larger JPEG is decoded at half its size, a quarter or an eighth, which takes no more memory."""
VIEW_SIDE, THUMBNAIL_SIDE = 2048, 480
VIEW_BYTES = 4 << 20
"""A larger file is not what a model is sent."""
_ORIENTATION = 0x0112
_ICC_BYTES = 32 << 10
"""Colour profiles of cameras and screens have less."""

Reader = Callable[[Any, Job, Send], None]


def load_picture_reader(format_: str) -> Reader:
    """Load the decoder of a format, while files can still be opened.

    Raises:
        ReadingRefused: it is not installed.
    """
    from PIL import Image, ImageOps, features  # noqa: F401  # loaded before the limits

    Image.MAX_IMAGE_PIXELS = None  # this module has a limit of its own
    if format_ == "HEIF":
        try:
            import pillow_heif
        except ImportError:
            raise ReadingRefused(
                "reading HEIC needs an optional package: `prompter extras add heic`; or send the photo as JPEG"
            ) from None
        pillow_heif.register_heif_opener(thumbnails=False)
    if format_ == "AVIF" and not features.check("avif"):
        raise ReadingRefused("this server cannot read AVIF; send the picture as JPEG or PNG")
    Image.init()
    for target in ("PNG", "JPEG", "WEBP"):
        Image.new("RGB", (1, 1)).save(io.BytesIO(), target)
    return read_picture


def read_picture(file: Any, job: Job, send: Send) -> None:
    """Send what is kept of a picture: itself without metadata, a picture for models, and a thumbnail."""
    from PIL import Image, ImageOps

    with Image.open(file, formats=[job.format]) as opened:
        _check_size(opened.size, job.format)
        if job.format == "JPEG":
            _draft(opened)
        animation = _copy_animation(file, opened, job.format)
        opened.load()  # of an animation the first picture
        ImageOps.exif_transpose(opened, in_place=True)
        image = opened
    profile = image.info.get("icc_profile")
    profile = profile if isinstance(profile, bytes) and len(profile) <= _ICC_BYTES else None
    # Comments, places, cameras: some encoders write what is here.
    image.info = {name: value for name, value in image.info.items() if name == "transparency"}
    content, media_type = animation or _encode(image, job.format, profile)
    width, height = image.size
    about = {"width": width, "height": height, "media_type": media_type, "views": 1}
    send(ABOUT, json.dumps(about).encode())
    send(CONTENT, content)
    fits = media_type in ("image/jpeg", "image/png") and max(image.size) <= VIEW_SIDE
    if not (fits and len(content) <= VIEW_BYTES):
        send(VIEW, _shrink(image, VIEW_SIDE, profile))
    send(THUMBNAIL, _shrink(image, THUMBNAIL_SIDE, None))


def _copy_animation(file: Any, opened: Any, format_: str) -> tuple[bytes, str] | None:
    """An animation as it is kept, and its type; None of a picture that does not move. The file's place stays."""
    is_upright = opened.getexif().get(_ORIENTATION, 1) == 1
    if format_ not in MEDIA_TYPES or not is_upright or not getattr(opened, "is_animated", False):
        return None
    place = file.tell()
    file.seek(0)
    copied = copy_animation(file.read(), format_)
    file.seek(place)
    return None if copied is None else (copied, MEDIA_TYPES[format_])


def _check_size(size: tuple[int, int], format_: str) -> None:
    width, height = size
    most = MOST_PIXELS[format_]
    if width < 1 or height < 1:
        raise ReadingRefused("the picture has no size")
    if width * height > most:
        raise ReadingRefused(
            f"the picture has {width * height // 1_000_000} megapixels, and such a file at most {most // 1_000_000};"
            " make it smaller"
        )


def _draft(opened: Any) -> None:
    """Decode a large JPEG at a part of its size."""
    width, height = opened.size
    scale = 1
    while width * height // scale**2 > JPEG_PIXELS and scale < 8:
        scale *= 2
    if scale > 1:
        opened.draft(None, (width // scale, height // scale))
    width, height = opened.size
    if width * height > 2 * JPEG_PIXELS:
        raise ReadingRefused("the picture is larger than any camera makes it; make it smaller")


def _encode(image: Any, format_: str, profile: bytes | None) -> tuple[bytes, str]:
    """The picture in a format that every browser shows, without metadata."""
    buffer = io.BytesIO()
    if format_ in ("JPEG", "HEIF") or (format_ == "AVIF" and not image.has_transparency_data):
        _to_rgb(image, keep_gray=True).save(buffer, "JPEG", quality=90, icc_profile=profile)
        return buffer.getvalue(), "image/jpeg"
    if format_ == "WEBP":
        image.save(buffer, "WEBP", quality=90, method=2, icc_profile=profile)
        return buffer.getvalue(), "image/webp"
    image.save(buffer, "PNG", compress_level=4, icc_profile=profile)
    return buffer.getvalue(), "image/png"


def _shrink(image: Any, side: int, profile: bytes | None) -> bytes:
    """A smaller copy: PNG where something of it is transparent, else JPEG."""
    small = image
    if small.mode not in ("L", "RGB", "RGBA"):
        small = small.convert("RGBA" if "transparency" in image.info or image.mode in ("LA", "PA") else "RGB")
    if max(small.size) > side:
        scale = side / max(small.size)
        size = (max(1, round(small.width * scale)), max(1, round(small.height * scale)))
        small = small.resize(size, reducing_gap=2.0)
    buffer = io.BytesIO()
    if small.mode == "RGBA" and small.getextrema()[3][0] < 255:
        small.save(buffer, "PNG", compress_level=4, icc_profile=profile)
    else:
        _to_rgb(small, keep_gray=True).save(buffer, "JPEG", quality=85, icc_profile=profile)
    return buffer.getvalue()


def _to_rgb(image: Any, *, keep_gray: bool = False) -> Any:
    return image if image.mode == "RGB" or (keep_gray and image.mode == "L") else image.convert("RGB")

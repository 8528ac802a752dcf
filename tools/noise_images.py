"""Small images of noise, so that every byte matters."""

import io
from typing import Any

from PIL import Image

SIZE = (96, 64)


def noise_image(
    picture_format: str, mode: str = "RGB", size: tuple[int, int] = SIZE, **options: Any
) -> bytes:
    """An image in this format (``png``, ``jpeg``, ``webp``, ``gif``…) and Pillow mode, as bytes."""
    packed = io.BytesIO()
    if picture_format.lower() == "png":
        options.setdefault("compress_level", 1)  # noise gets no smaller
    Image.effect_noise(size, 60).convert(mode).save(packed, picture_format.upper(), **options)
    return packed.getvalue()


def pixels(content: bytes) -> bytes:
    """The decoded pixels."""
    with Image.open(io.BytesIO(content)) as image:
        return image.tobytes()

"""media: which picture some bytes are, by their own header, and how large it is. Nothing is decoded, nothing is believed of a name.

Only what a browser shows and what cannot carry a script passes: JPEG, PNG, GIF, WebP, AVIF. The
formats are read as far as their size in pixels, from at most a few kilobytes that are sought out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from onec_pipelines.errors import Quarantine

# A picture that unpacks to more than this is a bomb for whoever makes thumbnails of it (400 MB as RGBA).
MAX_PIXELS = 100_000_000
_HEAD = 64
_MAX_SEGMENTS = 1_000
_MAX_META = 1024 * 1024
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
_SOS, _EOI = 0xDA, 0xD9

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What the bytes are. `extension` has no dot; sizes are pixels as stored, before any turning by EXIF."""

    media_type: str
    extension: str
    width: int
    height: int


def sniff(file: BinaryIO) -> Picture:
    """Recognise the picture in a seekable file.

    Raises Quarantine IMAGE_BAD_TYPE for anything that is no picture of the five kinds, names what it is where that is known,
    and IMAGE_TOO_MANY_PIXELS for one that nobody should unpack.
    """
    file.seek(0)
    head = file.read(_HEAD)
    for starts, media_type, extension, measure in _KINDS:
        if starts(head):
            try:
                width, height = measure(file, head)
            except (struct.error, IndexError):
                raise _refused(f"it begins as {media_type} but is cut or damaged") from None
            _check(width, height, media_type)
            return Picture(media_type=media_type, extension=extension, width=width, height=height)
    raise _refused(_what(head))


def _check(width: int, height: int, media_type: str) -> None:
    if width <= 0 or height <= 0:
        raise _refused(f"it begins as {media_type} but has no size")
    if width * height > MAX_PIXELS:
        raise Quarantine(
            f"it has {width} x {height} pixels, more than {MAX_PIXELS // 1_000_000} million",
            code="IMAGE_TOO_MANY_PIXELS",
            remedy="Put a smaller picture into 1C.",
        )


def _png(_file: BinaryIO, head: bytes) -> Size:
    if head[12:16] != b"IHDR":
        raise IndexError
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _gif(_file: BinaryIO, head: bytes) -> Size:
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height


def _jpeg(file: BinaryIO, _head: bytes) -> Size:
    file.seek(2)
    for _ in range(_MAX_SEGMENTS):
        marker = _marker(file)
        if marker in _ALONE:
            continue
        if marker in (_SOS, _EOI):
            break
        (length,) = struct.unpack(">H", file.read(2))
        if marker in _SOF:
            height, width = struct.unpack_from(">HH", file.read(5), 1)
            return width, height
        if length < 2:  # noqa: PLR2004 - the length counts its own two bytes
            break
        file.seek(length - 2, 1)
    raise IndexError


def _marker(file: BinaryIO) -> int:
    if file.read(1) != b"\xff":
        raise IndexError
    code = file.read(1)
    while code == b"\xff":  # fill bytes
        code = file.read(1)
    return code[0]


def _webp(_file: BinaryIO, head: bytes) -> Size:
    kind = head[12:16]
    if kind == b"VP8X" and len(head) >= 30:  # noqa: PLR2004 - where its size ends
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L" and head[20] == 0x2F:  # noqa: PLR2004 - the format's signature
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise IndexError


def _avif(file: BinaryIO, _head: bytes) -> Size:
    meta = _top_box(file, b"meta")[4:]
    properties = _child(_child(meta, b"iprp"), b"ipco")
    # One property per item (tiles, thumbnails): the whole picture is the largest.
    sizes = [struct.unpack_from(">II", body, 4) for kind, body in _boxes(properties) if kind == b"ispe"]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def _top_box(file: BinaryIO, wanted: bytes) -> bytes:
    file.seek(0)
    for _ in range(_MAX_SEGMENTS):
        length, kind = struct.unpack(">I4s", file.read(8))
        if length < 8:  # noqa: PLR2004 - 0 and 1 mean "to the end" and "64 bits", which no meta box is
            break
        if kind == wanted:
            return file.read(min(length - 8, _MAX_META))
        file.seek(length - 8, 1)
    raise IndexError


def _child(body: bytes, wanted: bytes) -> bytes:
    return next((inner for kind, inner in _boxes(body) if kind == wanted), b"")


def _boxes(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(body):
        length, kind = struct.unpack_from(">I4s", body, at)
        if length < 8:  # noqa: PLR2004 - the header itself
            return
        yield kind, body[at + 8 : at + length]
        at += length


def _is_avif(head: bytes) -> bool:
    length = int.from_bytes(head[:4], "big")
    return head[4:8] == b"ftyp" and any(
        head[at : at + 4] in {b"avif", b"avis"} for at in (8, *range(16, min(length, len(head)), 4))
    )


_KINDS: tuple[tuple[Callable[[bytes], bool], str, str, Callable[[BinaryIO, bytes], Size]], ...] = (
    (lambda head: head.startswith(b"\xff\xd8\xff"), "image/jpeg", "jpg", _jpeg),
    (lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"), "image/png", "png", _png),
    (lambda head: head[:6] in {b"GIF87a", b"GIF89a"}, "image/gif", "gif", _gif),
    (lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP", "image/webp", "webp", _webp),
    (_is_avif, "image/avif", "avif", _avif),
)

_OTHERS = (
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "an archive or an office document"),
    (b"BM", "a BMP picture, which is not for the web"),
    (b"II*\x00", "a TIFF picture, which browsers do not show"),
    (b"MM\x00*", "a TIFF picture, which browsers do not show"),
    (b"MZ", "a Windows program"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"8BPS", "a Photoshop document"),
    (b"Rar!", "an archive"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
)


def _what(head: bytes) -> str:
    for start, name in _OTHERS:
        if head.startswith(start):
            return f"it is {name}"
    if head[4:8] == b"ftyp":
        return "it is a video or a HEIC picture, which browsers do not show"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype", b"<html", b"<script", b"<!--")):
        return "it is SVG, HTML or XML, which may carry scripts"
    return "its bytes are of no known picture" if head else "it is empty"


def _refused(reason: str) -> Quarantine:
    return Quarantine(
        reason,
        code="IMAGE_BAD_TYPE",
        remedy="Put a JPEG, PNG, GIF, WebP or AVIF picture into 1C.",
    )

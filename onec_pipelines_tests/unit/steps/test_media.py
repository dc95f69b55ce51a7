"""What some bytes are is told by the bytes, and only pictures that cannot carry a script pass."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.errors import Quarantine
from onec_pipelines.steps.media import MAX_PIXELS, sniff
from onec_pipelines_tests.fixtures import pictures

KINDS = {
    "image/jpeg": (pictures.jpeg, "jpg"),
    "image/gif": (pictures.gif, "gif"),
    "image/webp": (pictures.webp, "webp"),
    "image/webp lossless": (pictures.webp_lossless, "webp"),
    "image/webp lossy": (pictures.webp_lossy, "webp"),
    "image/avif": (pictures.avif, "avif"),
}


def look(body):
    return sniff(io.BytesIO(body))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (640, 481), (16_383, 700)])
def test_each_kind_is_known_with_its_size(kind, size):
    make, extension = KINDS[kind]
    found = look(make(*size))

    assert (found.media_type, found.extension) == (kind.split()[0], extension)
    assert (found.width, found.height) == size


def test_a_real_png_is_known():
    found = look(pictures.png((1, 2, 3), size=24))

    assert (found.media_type, found.extension, found.width, found.height) == ("image/png", "png", 24, 24)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "script"),
        (b"\xef\xbb\xbf  <?xml version='1.0'?><svg/>", "script"),
        (b"<!DOCTYPE html><html></html>", "script"),
        (b"%PDF-1.7 ...", "PDF"),
        (b"PK\x03\x04....", "archive"),
        (b"BM......", "BMP"),
        (b"II*\x00....", "TIFF"),
        (b"MZ\x90\x00", "program"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "HEIC"),
        (b"not an image", "no known picture"),
        (b"", "empty"),
    ],
)
def test_anything_else_is_refused_by_its_name(body, word):
    with pytest.raises(Quarantine, match=word) as refusal:
        look(body)

    assert refusal.value.code == "IMAGE_BAD_TYPE"


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_within_its_header_is_refused(kind):
    body = KINDS[kind][0](640, 480)
    for end in range(6, 10) if kind == "image/gif" else range(12, 22):
        with pytest.raises(Quarantine, match=r"damaged|no size|no known"):
            look(body[:end])


def test_a_picture_without_a_size_is_refused():
    with pytest.raises(Quarantine, match="no size"):
        look(pictures.gif(0, 10))


def test_a_picture_that_unpacks_to_gigabytes_is_refused():
    side = int(MAX_PIXELS**0.5)
    assert look(pictures.webp(side, side)).width == side
    with pytest.raises(Quarantine) as refusal:
        look(pictures.webp(side + 1, side + 1))

    assert refusal.value.code == "IMAGE_TOO_MANY_PIXELS"


@given(
    st.sampled_from([make(30, 40) for make, _ in KINDS.values()] + [pictures.png((1, 2, 3))]),
    st.integers(0, 200),
    st.binary(max_size=60),
)
def test_damage_is_refused_and_never_more_than_that(body, at, damage):
    try:
        found = look(body[:at] + damage + body[at + len(damage) :])
    except Quarantine as refusal:
        assert refusal.code.startswith("IMAGE_")  # noqa: PT017 - either is right
    else:
        assert found.width > 0
        assert found.height > 0

"""Base64 out of JSON, in pieces: the same bytes whatever the line breaks, the escapes and the piece's size."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onec_pipelines.errors import Quarantine
from onec_pipelines.onec import base64_pieces
from onec_pipelines.onec.base64_pieces import decoded, is_empty, unwrapped


def lines(body, *, width=76, end="\r\n"):
    text = base64.b64encode(body).decode()
    return end.join(text[at : at + width] for at in range(0, len(text), width))


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(base64_pieces, "_PIECE", 17)


@given(
    st.binary(max_size=400),
    st.sampled_from([1, 3, 5, 76]),
    st.sampled_from(["\r\n", "\n", " ", ""]),
    st.integers(7, 90),
)
def test_every_way_of_writing_gives_the_same_bytes(body, width, end, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base64_pieces, "_PIECE", piece)
        text = json.dumps(lines(body, width=width, end=end)).encode()
        escaped = text.replace(b"/", b"\\/").replace(b"+", b"\\u002B")

        assert b"".join(decoded(text)) == body
        assert b"".join(decoded(memoryview(escaped))) == body


def test_a_large_file_is_never_whole_in_one_piece():
    body = bytes(3_000_000)
    pieces = list(decoded(json.dumps(lines(body)).encode()))

    assert b"".join(pieces) == body
    assert max(map(len, pieces)) < 300_000


@pytest.mark.parametrize(
    "text", [b'"abc"', b'"ab=c"', b'"YQ==YQ=="', b'"YQ=="x', b'"a*bc"', b"abcd", b"12", b'"', b'"Y"']
)
def test_what_is_no_base64_is_refused(text, small_pieces):
    with pytest.raises(Quarantine) as refusal:
        b"".join(decoded(text))

    assert refusal.value.code == "BAD_BASE64"


@pytest.mark.parametrize("text", [b"", b"null", b'""'])
def test_nothing_is_nothing(text):
    assert is_empty(text)


def test_bytes_are_something():
    assert not is_empty(b'"YQ=="')


def envelope(body):
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ValueStorage xmlns="http://v8.1c.ru/8.1/data/core"><kind>Picture</kind>'
        f"<data>{lines(body)}</data><tail>eHh4eA==</tail></ValueStorage>"
    ).encode()


def test_an_envelope_is_taken_off():
    body = bytes(range(256)) * 9

    assert b"".join(unwrapped([envelope(body)[:50], envelope(body)[50:]])) == body


@pytest.mark.parametrize(
    "document",
    [
        b"\x89PNG",
        b"<a>YQ==",
        b"<!DOCTYPE a [<!ENTITY b 'YQ=='>]><a>&b;</a>",
        b"<a>not base64!</a>",
        b"<a>" * 200 + b"</a>" * 200,
    ],
)
def test_a_wrong_envelope_is_refused(document):
    with pytest.raises(Quarantine):
        b"".join(unwrapped([document]))

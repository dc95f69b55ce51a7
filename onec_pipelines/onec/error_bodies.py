"""What a body that reports an error says: 1C's code and message out of each shape of PROTOCOL §8.

Only reads bodies; which of our errors follows is decided in `errors.py`. Never raises: a body that cannot
be understood is `other`.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree.ElementTree import ParseError, XMLParser  # expat without DTD: see _Fault.doctype

Shape = Literal["odata", "exception", "atom", "html", "empty", "other"]

MAX_MESSAGE = 500
_LOOK_AT = 65_536  # bytes of a body that are searched for an error; 1C's error texts are short
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|title|body|h1|h2)\b",
    re.IGNORECASE | re.DOTALL,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]{16,}={0,2}\s*")
_HIDDEN = re.compile(r"<(script|style)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_E_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Phones, tax numbers, card numbers; a GUID, which names an object and is needed to find it, is matched
# first and kept.
_LONG_NUMBER = re.compile(
    r"(?P<guid>\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b)|(?<![\w-])\+?\d(?:[\s()-]{0,2}\d){8,}(?![\w-])"
)
# What servers echo of our own headers.
_LOGIN = re.compile(
    r"\b(?:Basic|Bearer)\s+(?=\S{0,80}[\d=])[\w.~+/=-]{6,}|\beyJ[\w-]{8,}(?:\.[\w-]*){0,4}", re.IGNORECASE
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the body said: its shape, 1C's code (`""` without one) and the message, cleaned for a log line."""

    shape: Shape
    code: str
    message: str


def read_fault(body: bytes) -> Fault:
    """Give what this body says, whatever its shape."""
    text = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:_LOOK_AT]
    if not text:
        return Fault(shape="empty", code="", message="")
    if text.startswith(b"{"):
        return _json_fault(text)
    if _HTML.match(text):
        return Fault(shape="html", code="", message=clean(_html_text(text.decode("utf-8", "replace"))))
    if text.startswith(b"<"):
        return _atom_fault(text)
    return Fault(shape="other", code="", message=clean(text[:200].decode("utf-8", "replace")))


def clean(text: str) -> str:
    """Make foreign text fit for one log line.

    Base64 undone, control and direction characters out, logins, e-mails and long numbers masked.
    """
    text = _LOGIN.sub("***", _CONTROL.sub(" ", _unbase64(text)).strip())
    text = _LONG_NUMBER.sub(lambda found: found["guid"] or "***", _E_MAIL.sub("***", text))
    text = re.sub(r" {2,}", " ", text)
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"


def _unbase64(text: str) -> str:
    """Undo the base64 in which 1C wraps some messages (PROTOCOL §7.1); any other text stays as it is."""
    packed = "".join(text.split())
    if not _BASE64.fullmatch(text) or len(packed) % 4:
        return text
    try:
        plain = base64.b64decode(packed, validate=True).decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError):
        return text
    return plain if plain and all(char.isprintable() or char.isspace() for char in plain) else text


def _json_fault(text: bytes) -> Fault:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return Fault(shape="other", code="", message=clean(text[:200].decode("utf-8", "replace")))
    error = data.get("odata.error")
    if isinstance(error, dict):
        message = error.get("message")
        value = message.get("value") if isinstance(message, dict) else message
        return Fault(shape="odata", code=str(error.get("code") or ""), message=clean(str(value or "")))
    if "#exception" in data or "exception" in data:
        return Fault(shape="exception", code="", message=clean(_exception_text(data.get("exception"))))
    return Fault(shape="other", code="", message="")


def _exception_text(exception: Any) -> str:
    """Join the texts of the nested exception from the second level on.

    The first repeats the request, filter values included.
    """
    texts: list[str] = []
    level, node = 0, exception
    while isinstance(node, dict) and level < 20:  # noqa: PLR2004 - a depth nobody has, so that a hostile body cannot hold us
        lines = str(node.get("descr") or "").splitlines()
        if level > 0 or not isinstance(node.get("inner"), dict):
            texts += [line.strip() for line in lines if line.strip() and line.strip() not in texts]
        level, node = level + 1, node.get("inner")
    return " · ".join(texts)


def _html_text(page: str) -> str:
    return html.unescape(_TAG.sub(" ", _HIDDEN.sub(" ", page)))


class _Fault:
    """Parser target that keeps the text of `code` and `message` of the first error element.

    Refuses a DOCTYPE.
    """

    def __init__(self) -> None:
        self.is_error = False
        self.texts: dict[str, str] = {}
        self._inside: list[str] = []

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if not self._inside and name == "error":
            self.is_error = True
        self._inside.append(name)

    def end(self, _tag: str) -> None:
        self._inside.pop()

    def data(self, text: str) -> None:
        if self.is_error and len(self._inside) == 2:  # noqa: PLR2004 - children of the root only
            self.texts[self._inside[-1]] = self.texts.get(self._inside[-1], "") + text

    def doctype(self, *_: str | None) -> None:
        raise ParseError("a DOCTYPE is not accepted")

    def close(self) -> None:
        """Nothing is built."""


def _atom_fault(text: bytes) -> Fault:
    target = _Fault()
    parser = XMLParser(target=target, encoding="utf-8")  # noqa: S314 - DOCTYPE refused, so no entities; size bounded above
    try:
        parser.feed(text)
    except (ParseError, ValueError):
        target.is_error = target.is_error and "message" in target.texts
    if not target.is_error:
        return Fault(shape="other", code="", message="")
    code, message = (target.texts.get(name, "").strip() for name in ("code", "message"))
    return Fault(shape="atom", code=code, message=clean(message))

"""Hides personal data in recorded traffic: the same value always becomes the same pseudonym of the same kind.

Letters become letters and digits digits, so that formats, lengths and joins survive, names and numbers not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import quote, unquote_to_bytes

PERSONAL = (
    "ИНН",
    "КПП",
    "АдресЭП",
    "НомерТелефона",
    "НомерТелефонаБезКодов",
    "Представление",
    "Значение",
    "ЗначенияПолей",
    "АдресДоставки",
    "АдресДоставкиЗначение",
    "АдресДоставкиЗначенияПолей",
    "ДатаРождения",
    "ДатаРожденияПокупателя",
    "Комментарий",
    "ДополнительнаяИнформация",
    "ДополнительнаяИнформацияПоДоставке",
    "ИмяКонтрагента",
    "Покупатель",
    "НазначениеПлатежа",
    "НомерДокументаПокупателя",
    "СерияДокументаПокупателя",
    "МагнитныйКод",
)
PERSONAL_SETS = (
    "Catalog_Партнеры",
    "Catalog_Контрагенты",
    "Catalog_КонтактныеЛицаПартнеров",
    "Catalog_Пользователи",
)
_IN_SETS = ("Description", "НаименованиеПолное")
_LITERAL = re.compile(r"(?<![a-z])'((?:[^']|'')*)'")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_SMALL = "абвгдежзиклмнопрстуфхцчшэюя"


class Masker:
    """Masks by rules; `salt` keeps pseudonyms of one recording from being guessed by those of another."""

    def __init__(
        self, *, names: Iterable[str] = PERSONAL, sets: Iterable[str] = PERSONAL_SETS, salt: str
    ) -> None:
        self._salt = salt
        self._sets = tuple(sets)
        self._always = self._patterns(names)
        self._in_sets = self._patterns([*names, *_IN_SETS])

    @staticmethod
    def _patterns(names: Iterable[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
        listed = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
        return (
            re.compile(rf'("(?:{listed})"\s*:\s*")((?:[^"\\]|\\.)*)(")'),
            re.compile(rf"(<d:(?:{listed})(?: [^>]*)?>)([^<]*)(</d:)"),
        )

    def value(self, text: str) -> str:
        """The pseudonym of one value."""
        if not text or text.startswith("0001-01-01") or _GUID.fullmatch(text):
            return text
        stream = self._stream(text)
        if _DATE.fullmatch(text):
            return f"19{50 + stream() % 50}-{1 + stream() % 12:02}-{1 + stream() % 28:02}T00:00:00"
        return "".join(_same_kind(one, stream) for one in text)

    def _stream(self, text: str) -> Callable[[], int]:
        digest = hashlib.blake2b(f"{self._salt}\0{text}".encode()).digest()
        state = {"at": 0}

        def following() -> int:
            state["at"] += 1
            return digest[state["at"] % len(digest)] + state["at"]

        return following

    def body(self, text: str, path: str) -> str:
        """A JSON or Atom body; `path` tells whether names of objects in it are names of people."""
        json_pattern, atom_pattern = self._in_sets if any(one in path for one in self._sets) else self._always
        text = json_pattern.sub(lambda found: found[1] + self._json(found[2]) + found[3], text)
        return atom_pattern.sub(lambda found: found[1] + self.value(found[2]) + found[3], text)

    def _json(self, escaped: str) -> str:
        plain = json.loads(f'"{escaped}"')
        return json.dumps(self.value(plain), ensure_ascii=False)[1:-1]

    def address(self, raw: str, path: str) -> str:
        """A path or query string; literals of filters on personal fields are masked as the fields are."""
        plain = unquote_to_bytes(raw).decode("utf-8", "replace")
        concerned = any(one in path for one in self._sets) or any(one in plain for one in PERSONAL)
        if not concerned:
            return raw
        masked = _LITERAL.sub(lambda found: f"'{self.value(found[1])}'", plain)
        return quote(masked, safe="$,'()/:;_!=*&?%-.~@")


def _same_kind(one: str, following: Callable[[], int]) -> str:
    if one.isdigit():
        return str(following() % 10)
    if not one.isalpha():
        return one
    letters = "abcdefghijklmnopqrstuvwxyz" if one.isascii() else _SMALL
    letter = letters[following() % len(letters)]
    return letter.upper() if one.isupper() else letter

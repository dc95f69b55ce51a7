"""Named transforms of personal data: contact information and dates of life. Part of `transforms.TRANSFORMS`.

How a text is understood is `onec/contacts.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from onec_pipelines.onec import contacts

Transform = Callable[[pa.Array], pa.Array]
_ISO = "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$"
EMPTY_DATE = "0001-01-01T00:00:00"
_NO_TEXT = pa.scalar(None, pa.string())


def date_only(values: pa.Array) -> pa.Array:
    """The day of a date without a time of day, as `1990-05-31`: the same day in every zone; the empty date becomes null."""
    is_date = pc.and_(pc.match_substring_regex(values, _ISO), pc.not_equal(values, EMPTY_DATE))
    shaped = pc.if_else(is_date, values, _NO_TEXT)
    parsed = pc.strptime(shaped, format="%Y-%m-%dT%H:%M:%S", unit="s", error_is_null=True)
    # strptime lets 30 February roll over into March; writing the date again shows it.
    again = pc.equal(pc.strftime(parsed, format="%Y-%m-%dT%H:%M:%S"), shaped)
    return pc.utf8_slice_codeunits(pc.if_else(again, shaped, _NO_TEXT), 0, 10)


def emails(values: pa.Array) -> pa.Array:
    """The e-mail addresses in a text, in lower case, joined by a space; null when there is none."""
    return _each(values, lambda text: " ".join(contacts.emails(text)))


def phones(values: pa.Array) -> pa.Array:
    """The telephone numbers in a text as E.164, joined by a space; null when there is none (default region: ONEC_PHONE_REGION)."""
    return _each(values, lambda text: " ".join(contacts.phones(text)))


def phone_extension(values: pa.Array) -> pa.Array:
    """The extension (добавочный) of a telephone number in a text; null when there is none."""
    return _each(values, contacts.extension)


def address_parts(values: pa.Array) -> pa.Array:
    """Parts of an address out of 1C's JSON, XML or lines, as JSON; null where there are none.

    The parts: country, postcode, region, district, city, street, house, flat.
    """
    return _each(values, _parts)


def _parts(text: str) -> str | None:
    found = contacts.address_parts(text)
    return json.dumps(found, ensure_ascii=False, sort_keys=True) if found else None


def _each(values: pa.Array, function: Callable[[str], str | None]) -> pa.Array:
    """A function of one text applied once to every different text; what it gives empty becomes null."""
    encoded = pc.dictionary_encode(values)
    made = [None if text is None else function(text) or None for text in encoded.dictionary.to_pylist()]
    return pc.take(pa.array(made, pa.string()), encoded.indices)


PEOPLE_TRANSFORMS: Mapping[str, Transform] = {
    "date_only": date_only,
    "emails": emails,
    "phones": phones,
    "phone_extension": phone_extension,
    "address_parts": address_parts,
}
PEOPLE_LENIENT = frozenset({"emails", "phones", "phone_extension", "address_parts"})
"""Those whose null is an answer: people type what they like."""

PEOPLE_TABLES: Mapping[str, Mapping[str, str]] = {
    # PROTOCOL §11.6: ЮрФизЛицо of a partner
    "partner_form": {"Компания": "company", "ЧастноеЛицо": "person"},
    # PROTOCOL §11.6: Пол
    "sex": {"Мужской": "male", "Женский": "female"},
    # PROTOCOL §11.9: Статус of a loyalty card and of a kind of cards
    "card_status": {
        "Действует": "active",
        "Аннулирована": "cancelled",
        "НеДействует": "inactive",
        "Закрыт": "closed",
    },
    # PROTOCOL §11.4: СпособПредоставления of a discount where it is a member of the enumeration
    "discount_method": {
        "Процент": "percent",
        "Сумма": "amount",
        "СуммаДляКаждойСтроки": "amount_per_line",
        "ВидЦены": "price_type",
        "Количество": "quantity",
        "Подарок": "gift",
        "КартаЛояльности": "loyalty_card",
        "ОкруглениеСуммы": "rounding",
        "Сообщение": "message",
    },
    # PROTOCOL §11.4: Статус of ДействиеСкидокНаценок
    "discount_status": {"Действует": "active", "НеДействует": "inactive"},
}
"""Names of enumerations of customers, loyalty and discounts; an unknown one passes under its own name."""

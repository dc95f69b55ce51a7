"""Addresses by which a person opens an object in 1C's own window: `e1cib/data/Документ.ЗаказКлиента?ref=…`.

Only the text is made; it is pasted into "Go to link" (Shift+F11) of any 1C client. Where the base is published for browsers, the web
client opens the same after a `#`.
"""

from __future__ import annotations

import re

_KINDS = {
    "Catalog": "Справочник",
    "Document": "Документ",
    "ChartOfCharacteristicTypes": "ПланВидовХарактеристик",
    "ChartOfAccounts": "ПланСчетов",
    "ExchangePlan": "ПланОбмена",
    "BusinessProcess": "БизнесПроцесс",
    "Task": "Задача",
}
_LINK = re.compile(r"e1cib/data/[\w.]+\?ref=[0-9a-f]{32}")
_GUID = re.compile(r"([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})", re.IGNORECASE)


def deep_link(resource: str, key: str) -> str | None:
    """Give the link to an object of an entity set; None for registers and for what is no GUID.

    1C writes the GUID of a link with its parts in another order: the last two first, then the third, second, first.
    """
    prefix, _, name = resource.partition("_")
    found = _GUID.fullmatch(key)
    if found is None or prefix not in _KINDS or not name:
        return None
    first, second, third, fourth, fifth = (part.lower() for part in found.groups())
    return f"e1cib/data/{_KINDS[prefix]}.{name}?ref={fourth}{fifth}{third}{second}{first}"


def links_in(text: str) -> tuple[str, ...]:
    """The links that a text names, each once, in order."""
    return tuple(dict.fromkeys(_LINK.findall(text)))


def web_link(root: str, link: str) -> str:
    """The address at which the web client of the publication opens a link; `root` is the address of its OData service."""
    return f"{root.partition('/odata/')[0].rstrip('/')}/#{link}"

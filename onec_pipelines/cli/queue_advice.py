"""What `onec queue show` says beside the error itself: the catalogue's words in the operator's language, links that open the objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onec_pipelines.onec.links import links_in, web_link

if TYPE_CHECKING:
    from onec_pipelines.remedies import Language

_LABELS = {
    "en": {
        "kind": "class",
        "code": "code",
        "message": "what happened",
        "onec_message": "1C says",
        "http_status": "HTTP status",
        "cause": "why",
        "remedy": "what to do",
        "general": "in general",
        "link": "in 1C (Shift+F11)",
        "web": "in the browser",
        "then": "then",
    },
    "ru": {
        "kind": "класс",
        "code": "код",
        "message": "что случилось",
        "onec_message": "1С сообщает",
        "http_status": "HTTP-статус",
        "cause": "почему",
        "remedy": "подробно",
        "general": "что делать",
        "link": "в 1С (Shift+F11)",
        "web": "в браузере",
        "then": "затем",
    },
}


@dataclass(frozen=True, kw_only=True)
class Advice:
    """The catalogue's words about an error, empty where it has none, and the links of the objects it names."""

    title: str = ""
    cause: str = ""
    remedy: str = ""
    links: tuple[str, ...] = ()
    web_links: tuple[str, ...] = ()


def advise(error: Mapping[str, Any], root: str, language: Language) -> Advice:
    """What can be said about the last error of an item; `root` is the address of the base's OData service."""
    from onec_pipelines.remedies import remedy_of

    links = links_in(f"{error.get('message') or ''} {error.get('remedy') or ''}")
    found = remedy_of(str(error.get("code") or ""))
    words = found.words(language) if found is not None else None
    return Advice(
        title=words.title if words else "",
        cause=words.cause if words else "",
        remedy=words.remedy if words else "",
        links=links,
        web_links=tuple(web_link(root, link) for link in links) if root else (),
    )


def lines(
    error: Mapping[str, Any], advice: Advice, language: Language, item_id: int
) -> Iterator[tuple[str, str]]:
    """Label and text of each line that people read, in order."""
    labels = _LABELS[language]
    for name in ("kind", "code", "message", "onec_message", "http_status"):
        if error.get(name) is not None:
            yield labels[name], str(error[name])
    if advice.title:
        yield labels["cause"], f"{advice.title}. {advice.cause}"
    own, general = (
        str(error.get("remedy") or ""),
        advice.remedy.replace("queue retry ID", f"queue retry {item_id}"),
    )
    told = [("remedy", own), ("general", general)]
    for name, text in told if language == "en" else reversed(told):
        if text:
            yield labels[name], text
    for name, links in (("link", advice.links), ("web", advice.web_links)):
        for link in links:
            yield labels[name], link
    if error.get("kind") not in {None, "later"}:
        yield labels["then"], f"onec queue retry {item_id}"

"""An alert as people and machines read it: subject, text and JSON document, in English or Russian. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from onec_pipelines.ledger.alerts import Alert
from onec_pipelines.remedies import Language, Words, catalogue

_LABELS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "what": "What happened",
        "since": "Since",
        "until": "Until",
        "entity": "Entity",
        "rows": "How many",
        "onec_message": "1C says",
        "http_status": "HTTP status",
        "cause": "Why",
        "remedy": "What to do",
        "steps": "Steps",
        "assets": "Assets",
        "subjects": "For example",
        "by": "By",
        "reason": "Reason",
        "seconds": "Seconds apart",
        "asset": "Asset",
        "check": "Check",
        "approval": "Approval",
        "dagster": "Dagster",
        "onec_link": "In 1C",
        "code": "Code",
        "occurrences": "Times",
    },
    "ru": {
        "what": "Что случилось",
        "since": "С какого времени",
        "until": "Закончилось",
        "entity": "Сущность",
        "rows": "Сколько",
        "onec_message": "Сообщение 1С",
        "http_status": "HTTP-статус",
        "cause": "Почему",
        "remedy": "Что делать",
        "steps": "Шаги",
        "assets": "Ресурсы",
        "subjects": "Например",
        "by": "Кто",
        "reason": "Причина",
        "seconds": "Расхождение, с",
        "asset": "Ресурс",
        "check": "Проверка",
        "approval": "Одобрение",
        "dagster": "Dagster",
        "onec_link": "В 1С",
        "code": "Код",
        "occurrences": "Сколько раз",
    },
}
_EVENTS: Mapping[Language, Mapping[str, str]] = {
    "en": {"raised": "", "grew": "GROWS: ", "escalated": "STILL OPEN: ", "recovered": "RECOVERED: "},
    "ru": {"raised": "", "grew": "РАСТЁТ: ", "escalated": "НЕ УСТРАНЕНО: ", "recovered": "УСТРАНЕНО: "},
}
_SEVERITIES: Mapping[Language, Mapping[str, str]] = {
    "en": {name: name for name in ("note", "warning", "error", "critical")},
    "ru": {"note": "заметка", "warning": "внимание", "error": "ошибка", "critical": "критично"},
}
_UNKNOWN: Mapping[Language, Words] = {
    "en": Words(
        title="Something went wrong", cause="", remedy="Look at the run; `onec status` shows the rest."
    ),
    "ru": Words(
        title="Что-то пошло не так", cause="", remedy="Посмотрите запуск; остальное покажет `onec status`."
    ),
}
_PLAIN = (
    "entity",
    "asset",
    "check",
    "steps",
    "subjects",
    "by",
    "reason",
    "seconds",
    "approval",
    "http_status",
)
_LONGEST = 1500


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One notice for one channel. `id` is the same when it is sent again; `document` is what a webhook carries."""

    id: str
    event: str
    severity: str
    subject: str
    text: str
    document: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Style:
    """How notices are written: the language, the zone of their times, and where Dagster's UI is (empty: no links)."""

    language: Language = "en"
    zone: ZoneInfo
    dagster_url: str = ""


def notice(alert: Alert, event: str, *, number: int, style: Style) -> Notice:
    """Write one notice; `number` names the delivery."""
    words = words_of(alert, style.language)
    subject = (
        f"{_EVENTS[style.language][event]}[{_SEVERITIES[style.language][alert.severity]}] {words.title}"
        f"{_about(alert)} · {alert.system_name}"
    )
    ident = f"onec-alert-{alert.system_name}-{number}"
    lines = [subject, "", *(f"{name}: {value}" for name, value in _lines(alert, event, words, style))]
    return Notice(
        id=ident,
        event=event,
        severity=alert.severity,
        subject=subject,
        text="\n".join(lines) + "\n",
        document=_document(alert, event, ident, words, style),
    )


def words_of(alert: Alert, language: Language) -> Words:
    """Title of what the alert is; cause and remedy of what is behind it when the catalogue knows that, and the finding's own advice."""
    entry = catalogue().get(alert.code)
    words = entry.words(language) if entry else _UNKNOWN[language]
    behind = catalogue().get(str(alert.facts.get("cause_code")))
    if behind is not None:
        root = behind.words(language)
        return Words(
            title=words.title, cause=f"{root.title}. {root.cause}", remedy=f"{root.remedy} {words.remedy}"
        )
    own = str(alert.facts.get("remedy") or "")
    return replace(words, remedy=f"{own} {words.remedy}".strip())


def dagster_link(alert: Alert, url: str) -> str | None:
    """The run, else the asset, in Dagster's UI."""
    if not url:
        return None
    if run_id := alert.facts.get("run_id"):
        return f"{url}/runs/{run_id}"
    if asset := alert.facts.get("asset"):
        return f"{url}/assets/{asset}" + ("?view=checks" if "check" in alert.facts else "")
    return None


def _about(alert: Alert) -> str:
    facts = alert.facts
    about = facts.get("entity") or facts.get("check") or facts.get("job") or facts.get("items")
    rows = facts.get("rows")
    parts = [str(part) for part in (about, rows) if part is not None]
    return f" ({': '.join(parts)})" if parts else ""


def _lines(alert: Alert, event: str, words: Words, style: Style) -> Iterator[tuple[str, str]]:
    labels, facts = _LABELS[style.language], alert.facts
    rows = facts.get("rows")
    told: list[tuple[str, Any]] = [
        ("what", facts.get("message")),
        ("since", _clock(alert.since, style)),
        ("until", _clock(alert.resolved_at, style) if event == "recovered" and alert.resolved_at else None),
        *((name, facts.get(name)) for name in _PLAIN),
        ("rows", None if rows is None else f"{rows} {facts.get('items') or ''}".strip()),
        ("occurrences", alert.occurrences if alert.occurrences > 1 else None),
        ("onec_message", facts.get("onec_message")),
        ("cause", words.cause if event != "recovered" else None),
        ("remedy", words.remedy if event != "recovered" else None),
        ("dagster", dagster_link(alert, style.dagster_url)),
        ("onec_link", facts.get("onec_link")),
        ("code", facts.get("cause_code") or alert.code),
    ]
    for name, value in told:
        if value not in (None, "", []):
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield labels[name], text[:_LONGEST]


def _document(alert: Alert, event: str, ident: str, words: Words, style: Style) -> dict[str, Any]:
    return {
        "id": ident,
        "event": event,
        "system": alert.system_name,
        "alert": alert.id,
        "fingerprint": alert.fingerprint,
        "kind": alert.kind,
        "code": alert.code,
        "severity": alert.severity,
        "title": words.title,
        "cause": words.cause,
        "remedy": words.remedy,
        "since": alert.since.isoformat(),
        "until": alert.resolved_at.isoformat() if alert.resolved_at and event == "recovered" else None,
        "occurrences": alert.occurrences,
        "entity": alert.facts.get("entity"),
        "rows": alert.facts.get("rows"),
        "onec_message": alert.facts.get("onec_message"),
        "facts": alert.facts,
        "dagster_link": dagster_link(alert, style.dagster_url),
        "onec_link": alert.facts.get("onec_link"),
        "language": style.language,
    }


def _clock(moment: datetime, style: Style) -> str:
    return f"{moment.astimezone(style.zone):%Y-%m-%d %H:%M:%S} {style.zone.key}"

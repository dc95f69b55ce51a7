"""The dashboard's words in English and Russian, and how figures are written in each. Remedies have their own catalogue."""

from __future__ import annotations

import math
from datetime import datetime, tzinfo
from typing import Literal

Language = Literal["en", "ru"]
LANGUAGES: tuple[Language, ...] = ("en", "ru")

_WORDS: dict[str, tuple[str, str]] = {
    "title": ("Integration with 1C", "Интеграция с 1С"),
    "base": ("Base", "База"),
    "ok": ("All is well", "Всё в порядке"),
    "degraded": ("Works, with troubles", "Работает, есть замечания"),
    "down": ("Does not work", "Не работает"),
    "unknown": ("Nothing has run yet", "Запусков ещё не было"),
    "as_of": ("As of", "На"),
    "reloads": ("reloads every minute", "обновляется каждую минуту"),
    "wrong_now": ("Wrong now", "Что не так"),
    "nothing_wrong": ("Nothing is wrong.", "Замечаний нет."),
    "alerts": ("Open alerts", "Открытые оповещения"),
    "alerts_tile": ("Alerts", "Оповещения"),
    "open_now": ("open", "открыто"),
    "acknowledged": ("acknowledged", "принято"),
    "since": ("since", "с"),
    "oldest_state": ("Longest lag", "Отставание"),
    "n_entities": ("entities", "сущностей"),
    "runs": ("Runs, 24 h", "Запуски, 24 ч"),
    "failed": ("failed", "с ошибкой"),
    "calls": ("Calls, 24 h", "Вызовы, 24 ч"),
    "errors": ("errors", "ошибок"),
    "queue": ("Queue", "Очередь"),
    "queue_due": ("due", "к исполнению"),
    "dead": ("dead", "мёртвых"),
    "quarantine": ("Quarantine", "Карантин"),
    "rows_open": ("open", "открыто"),
    "onec_now": ("1C now", "1С сейчас"),
    "in_use": ("calls on their way", "вызовов идёт"),
    "of_allowed": ("at most", "не более"),
    "waiting": ("waiting", "ждут"),
    "breaker_open": ("breaker open", "предохранитель разомкнут"),
    "paused": ("paused", "приостановлено"),
    "workers": ("Workers", "Исполнители"),
    "alive": ("alive", "работают"),
    "silent": ("silent", "молчат"),
    "durations": ("Duration of runs", "Длительность запусков"),
    "durations_note": (
        "by hour: longest (light) and average run, seconds",
        "по часам: самый долгий (светлый) и средний запуск, секунды",
    ),
    "failures": ("Failed runs", "Запуски с ошибкой"),
    "failures_note": ("by hour: share of the runs, %", "по часам: доля запусков, %"),
    "ages": ("Age of the data", "Возраст данных"),
    "ages_note": (
        "by hour: oldest (light) and middle entity, hours",
        "по часам: самая старая (светлая) и средняя сущность, часы",
    ),
    "audit": ("Audit of the shop's tables", "Проверка таблиц магазина"),
    "expectations": ("expectations", "ожиданий"),
    "audit_errors": ("errors", "ошибок"),
    "audit_warnings": ("warnings", "предупреждений"),
    "all_as_expected": ("all as expected", "всё как ожидается"),
    "audit_pages": ("Data Docs", "Data Docs"),
    "calls_note": ("by ten minutes; errors in red", "по десять минут; ошибки красным"),
    "calls_chart": ("Calls to 1C", "Вызовы 1С"),
    "lag": ("Lag", "Отставание"),
    "lag_column": ("lag", "отставание"),
    "lag_note": (
        "how old the newest confirmed state is; the oldest ones",
        "сколько назад состояние подтверждено; самые старые",
    ),
    "entities": ("Entities", "Сущности"),
    "entity": ("entity", "сущность"),
    "status": ("status", "статус"),
    "last_run": ("last run", "запуск"),
    "took": ("took", "длился"),
    "rows": ("rows", "строк"),
    "calls_day": ("calls, 24 h", "вызовов за сутки"),
    "quarantined": ("quarantined", "в карантине"),
    "waiting_references": ("wait for references", "ждут ссылок"),
    "trend": ("durations", "длительности"),
    "kind": ("kind", "вид"),
    "leased": ("in work", "в работе"),
    "ready": ("waiting", "ждёт"),
    "oldest": ("oldest due", "самый старый"),
    "errors_day": ("Errors, 24 h", "Ошибки за сутки"),
    "where": ("where", "где"),
    "code": ("code", "код"),
    "count": ("times", "раз"),
    "last_at": ("last", "последняя"),
    "resources": ("Calls by resource, 24 h", "Вызовы по объектам за сутки"),
    "resource": ("resource", "объект 1С"),
    "average": ("average", "в среднем"),
    "p95": ("95 % within", "95 % до"),
    "slowest": ("slowest", "дольше всего"),
    "volume": ("volume", "объём"),
    "new_day": ("new today", "новых"),
    "commonest": ("mostly", "чаще всего"),
    "schema": ("1C's schema", "Схема 1С"),
    "schema_same": ("unchanged since", "не менялась с"),
    "schema_confirmed": ("last looked at", "проверена"),
    "schema_stops": ("stops", "останавливает"),
    "node": ("Exchange plan", "План обмена"),
    "drained": ("last empty", "пусто"),
    "webhooks": ("Webhooks, two days", "Вебхуки за два дня"),
    "advice": ("Advice from measurements", "Советы по измерениям"),
    "ago": ("{} ago", "{} назад"),
    "never": ("never", "никогда"),
    "none": ("none", "нет"),
    "running": ("running", "идёт"),
    "succeeded": ("ok", "успех"),
    "skipped": ("skipped", "пропущен"),
    "abandoned": ("broken off", "оборван"),
    "held": ("held", "ждёт одобрения"),
    "second": ("s", "с"),
    "minute": ("min", "мин"),
    "hour": ("h", "ч"),
    "day": ("d", "дн"),
    "total": ("in all", "всего"),
    "peak": ("peak", "пик"),
    "no_data": ("no data yet", "данных пока нет"),
    "in_runs": ("runs", "запуски"),
    "in_calls": ("calls", "вызовы"),
    "in_queue": ("queue", "очередь"),
    "verdict_change": ("change", "изменить"),
    "verdict_watch": ("watch", "следить"),
    "verdict_fine": ("fine", "хорошо"),
    "verdict_no_data": ("no data", "мало данных"),
    "figure_seconds": ("for", "уже"),
    "figure_cause": ("because of", "причина"),
    "figure_until": ("until", "до"),
    "figure_kind": ("kind", "вид"),
    "figure_items": ("items", "элементов"),
    "figure_due": ("due", "к исполнению"),
    "figure_oldest_due_seconds": ("the oldest for", "самый старый ждёт"),
    "figure_workers": ("workers", "исполнителей"),
    "figure_in_a_row": ("in a row", "подряд"),
    "figure_lag_seconds": ("by", "на"),
    "figure_entities": ("entities", "сущностей"),
    "figure_approval": ("approval", "одобрение"),
    "figure_held_runs": ("runs held", "задержано запусков"),
    "figure_node": ("node", "узел"),
    "figure_failures": ("failures", "неудач"),
    "figure_since": ("since", "с"),
}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_KIB = 1024


def words(language: Language) -> dict[str, str]:
    """All words of a language by name."""
    return {name: both[LANGUAGES.index(language)] for name, both in _WORDS.items()}


def chosen(asked: str | None, accept: str | None) -> Language:
    """The language of `?lang=`, else the best of Accept-Language, else English."""
    for language in LANGUAGES:
        if asked == language:
            return language
    best: Language = "en"
    weight = 0.0
    for item in (accept or "").split(","):
        name, _, parameter = item.strip().partition(";")
        found = next((one for one in LANGUAGES if name.strip().lower().split("-")[0] == one), None)
        given = _weight(parameter)
        if found is not None and given > weight:
            best, weight = found, given
    return best


def span(seconds: float | None, language: Language) -> str:
    """A time span for people: `45 s`, `12 min`, `3 h 20 min`, `5 d`; a dash for None."""
    say = words(language)
    if seconds is None:
        return "–"
    if math.isinf(seconds):
        return "> 1 " + say["minute"]
    if seconds < 2 * _MINUTE:
        # Below ten seconds tenths matter.
        digits = f"{seconds:.2g}" if seconds < 1 else f"{seconds:.{1 if seconds < 10 else 0}f}"  # noqa: PLR2004
        return f"{digits} {say['second']}"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} {say['minute']}"
    if seconds < 2 * _DAY:
        rest = int(seconds % _HOUR // _MINUTE)
        return f"{int(seconds // _HOUR)} {say['hour']}" + (f" {rest} {say['minute']}" if rest else "")
    return f"{seconds / _DAY:.0f} {say['day']}"


def number(value: float) -> str:
    """A number with thin spaces between thousands: the same in both languages."""
    return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def volume(octets: float) -> str:
    """Bytes for people."""
    for unit in ("B", "KB", "MB", "GB"):
        if octets < _KIB or unit == "GB":
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.1f} {unit}"
        octets /= _KIB
    raise AssertionError


def moment(at: datetime | None, zone: tzinfo) -> str:
    """Date and time in the base's zone."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M") if at else "–"


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0

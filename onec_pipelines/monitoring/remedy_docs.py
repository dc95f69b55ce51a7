"""The catalogue of remedies as Markdown, for `docs/remedies.md` and `docs/remedies.ru.md`. A test compares them with what is here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onec_pipelines.remedies import Language, Remedy, catalogue, foreign

_HEAD: Mapping[Language, str] = {
    "en": """# Codes and remedies

Made by `onec remedy --export` out of `onec_pipelines/remedies/`; a test compares.
Do not edit by hand. По-русски: [remedies.ru.md](remedies.ru.md).
`onec remedy CODE` shows one entry; foreign codes lead to ours: `onec remedy 406`, `onec remedy 53100`.
""",
    "ru": """# Коды и что с ними делать

Создано командой `onec remedy --export` из `onec_pipelines/remedies/`; тест сверяет.
Вручную не править. In English: [remedies.md](remedies.md).
Одну запись покажет `onec remedy КОД`; чужие коды ведут к нашим: `onec remedy 406`, `onec remedy 53100`.
""",
}
_COLUMNS: Mapping[Language, tuple[str, ...]] = {
    "en": ("code", "severity", "what it is", "why", "what to do"),
    "ru": ("код", "важность", "что это", "почему", "что делать"),
}
_FOREIGN: Mapping[Language, tuple[str, str, str]] = {
    "en": ("Foreign codes", "theirs", "ours"),
    "ru": ("Чужие коды", "чужой", "наш"),
}


def render(language: Language) -> str:
    """The whole document."""
    subjects: dict[str, list[Remedy]] = {}
    for entry in catalogue().values():
        subjects.setdefault(entry.subject, []).append(entry)
    parts = [_HEAD[language]]
    for subject, entries in subjects.items():
        rows = [_row(entry, language) for entry in sorted(entries, key=lambda one: one.code)]
        parts.append(f"## {subject}\n\n{_table(_COLUMNS[language], rows)}")
    title, theirs, ours = _FOREIGN[language]
    known = [[f"`{code}`", f"[{own}](#{own})"] for code, own in sorted(foreign().items())]
    parts.append(f"## {title}\n\n{_table((theirs, ours), known)}")
    return "\n".join(parts)


def _row(entry: Remedy, language: Language) -> list[str]:
    words = entry.words(language)
    return [
        f'<a id="{entry.code}"></a>`{entry.code}`',
        entry.severity.value,
        words.title,
        words.cause,
        words.remedy,
    ]


def _table(head: Iterable[str], rows: Iterable[list[str]]) -> str:
    names = list(head)
    lines = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"

"""`docs/mapping.md`: the mapping of every entity as Markdown. Pure: declarations in, text out; a test checks the committed file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onec_pipelines.monitoring.mapping import MappedField, Mapping, mapping_of, promise
from onec_pipelines.spec import Entity
from onec_pipelines.steps.transforms import TRANSFORMS

_HEAD = """# Mapping: 1C → clean → shop

Written by `onec mapping export` out of the declarations in `onec_pipelines/entities/`; `onec mapping export --check` and a test compare.
Do not edit by hand. Names of 1C stand in the order of preference: the first that the base's `$metadata` has is read (`A` or `B`).
A field marked *optional* may be unknown to a base: its column stays empty and the gap is reported.
Every rejected value is in `clean.quarantine` with the field and the rule.
"""
_FIELD_HEAD = ("shop column", "clean column", "1C", "type", "transform", "rules", "points to", "PII", "notes")


def render(entities: Sequence[Entity]) -> str:
    """The whole document."""
    mappings = [mapping_of(entity, entities) for entity in entities]
    parts = [_HEAD, "## Entities\n", _contents(mappings)]
    parts += [_entity(mapping) for mapping in mappings]
    parts.append(_transforms(mappings))
    return "\n".join(parts).rstrip() + "\n"


def _contents(mappings: Iterable[Mapping]) -> str:
    rows = [
        [f"[{m.entity}](#{m.entity})", m.title_ru, _code(m.resources), _code([m.shop_table])]
        for m in mappings
    ]
    return _table(("entity", "по-русски", "1C", "shop table"), rows)


def _entity(mapping: Mapping) -> str:
    facts = [
        ("1C", _code(mapping.resources) + (" (optional)" if mapping.optional else "")),
        ("Reading", mapping.reading),
        ("Key", _code(mapping.key, ", ")),
        ("Tables", f"`{mapping.clean_table}` → `{mapping.shop_table}`"),
        ("Rows for the shop", f"`{mapping.shop_rows}`" if mapping.shop_rows else "all"),
        ("After", ", ".join(f"[{name}](#{name})" for name in mapping.depends_on) or "—"),
    ]
    lines = [
        f'<a id="{mapping.entity}"></a>\n\n## {mapping.title_ru} · `{mapping.entity}`\n',
        f"{mapping.description}\n",
        "\n".join(f"* {name}: {text}" for name, text in facts) + "\n",
        *(f"* Rule of the row: {rule}\n" for rule in mapping.row_rules),
        _table(_FIELD_HEAD, [_cells(field) for field in mapping.fields]),
    ]
    if mapping.computed:
        lines.append("Computed columns (`c` is the clean row):\n")
        lines += [
            _table(
                ("shop column", "made of", "how", "notes"),
                [
                    [f"`{one.column}`", _code(one.inputs, ", "), f"`{one.sql}`", one.note]
                    for one in mapping.computed
                ],
            )
        ]
    return "\n".join(lines)


def _cells(field: MappedField) -> list[str]:
    rules = [*field.limits, *([] if field.required else ["*optional*"])]
    return [
        "<br>".join(_shop_cell(name) for name in field.shop) or "—",
        f"`{field.field}`",
        _code(field.onec),
        field.type,
        f"[{field.transform}](#transform-{field.transform})" if field.transform else "",
        ", ".join(rules),
        ", ".join(f"[{name}](#{name})" for name in field.references),
        "PII" if field.is_pii else "",
        field.note,
    ]


def _shop_cell(name: str) -> str:
    column, _, rest = name.partition(" ")
    return f"`{column}`" + (f" {rest}" if rest else "")


def _transforms(mappings: Iterable[Mapping]) -> str:
    used: dict[str, list[str]] = {}
    for mapping in mappings:
        for field in mapping.fields:
            if field.transform:
                used.setdefault(field.transform, []).append(f"{mapping.entity}.{field.field}")
    rows = [
        [f'<a id="transform-{name}"></a>`{name}`', promise(name), ", ".join(used.get(name, ["—"]))]
        for name in sorted(TRANSFORMS)
    ]
    return "## Transforms\n\n" + _table(("transform", "what it promises", "used by"), rows)


def _code(names: Iterable[str], between: str = " or ") -> str:
    return between.join(f"`{name}`" for name in names)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"

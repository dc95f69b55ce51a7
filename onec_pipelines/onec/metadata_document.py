"""A part of `$metadata` as a JSON document and back: what is stored of a base's schema and compared later.

Only the sets and virtual tables that are asked for are kept, with every property they have: a full publication
is 17 MB (PROTOCOL §1.4), of which the declared entities read a few dozen sets.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from onec_pipelines.onec.metadata_model import NAMESPACE, EntityType, Function, Metadata, Property, RowType

Wanted = Mapping[str, frozenset[str]]
"""Name of a set → names of the virtual tables (`SliceLast`, `Balance`) that are read of it."""

_REQUIRED = "!"


def narrowed(metadata: Metadata, wanted: Wanted) -> dict[str, Any]:
    """The wanted part as JSON. What the base does not publish is there as null, so that the document says what it was asked for."""
    return {name: _set_document(metadata, name, functions) for name, functions in sorted(wanted.items())}


def wanted_of(document: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """What a document was asked for."""
    return {name: frozenset(item["functions"]) for name, item in document.items()}


def fingerprint(document: Mapping[str, Any]) -> str:
    """A sha256 of the meaning: the order in which properties stand does not count."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def restored(document: Mapping[str, Any]) -> Metadata:
    """The model of what a document kept, for whoever resolves or compares; what was not kept is as if not published."""
    entity_types: dict[str, EntityType] = {}
    complex_types: dict[str, RowType] = {}
    functions: list[Function] = []
    for name, item in document.items():
        if item["type"] is None:
            continue
        entity_types[name] = EntityType(
            name=name,
            properties=_properties(item["type"]["properties"]),
            key=tuple(item["type"]["key"]),
            navigation=item["type"]["navigation"],
            open_type=False,
        )
        complex_types.update(_row_types(item["sections"]))
        for table, row in item["functions"].items():
            if row is not None:
                returns = f"{name}_{table}"
                complex_types[returns] = RowType(name=returns, properties=_properties(row["properties"]))
                functions.append(_function(table, name, row["parameters"], returns))
    return Metadata(
        entity_types=entity_types,
        complex_types=complex_types,
        enums={},
        sets={name: name for name in entity_types},
        bound_functions=tuple(functions),
    )


def _set_document(metadata: Metadata, name: str, functions: frozenset[str]) -> dict[str, Any]:
    view = metadata.find_set(name)
    bound = metadata.functions(name) if view is not None else {}
    return {
        "type": None if view is None else _type_document(view),
        "sections": {} if view is None else _sections_document(metadata, view),
        "functions": {table: _table_document(metadata, bound.get(table)) for table in sorted(functions)},
    }


def _type_document(view: EntityType) -> dict[str, Any]:
    return {
        "key": list(view.key),
        "properties": _property_texts(view),
        "navigation": dict(sorted(view.navigation.items())),
    }


def _sections_document(metadata: Metadata, view: EntityType) -> dict[str, Any]:
    rows = {inner: metadata.row_type(inner) for inner in view.sections.values()}
    return {name: _property_texts(row) for name, row in sorted(rows.items()) if row is not None}


def _table_document(metadata: Metadata, function: Function | None) -> dict[str, Any] | None:
    row = metadata.row_type(function.returns) if function and function.returns else None
    if function is None or row is None:
        return None
    return {"parameters": dict(sorted(function.parameters.items())), "properties": _property_texts(row)}


def _property_texts(view: RowType) -> dict[str, str]:
    return {
        name: prop.edm_type + ("" if prop.nullable else _REQUIRED)
        for name, prop in sorted(view.properties.items())
    }


def _properties(texts: Mapping[str, str]) -> dict[str, Property]:
    return {
        name: Property(
            name=name, edm_type=text.removesuffix(_REQUIRED), nullable=not text.endswith(_REQUIRED)
        )
        for name, text in texts.items()
    }


def _row_types(sections: Mapping[str, Mapping[str, str]]) -> dict[str, RowType]:
    return {
        name.removeprefix(NAMESPACE): RowType(
            name=name.removeprefix(NAMESPACE), properties=_properties(properties)
        )
        for name, properties in sections.items()
    }


def _function(name: str, binding: str, parameters: Mapping[str, str], returns: str) -> Function:
    return Function(name=name, binding=binding, parameters=parameters, returns=returns, side_effecting=False)

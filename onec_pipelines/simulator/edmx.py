"""The XML of `$metadata`: read any 1C EDMX file into a `Shape`, write a `Shape` as 1C does (PROTOCOL §1.4).

Only syntax belongs here. A document type declaration is refused, so that a stranger's file cannot expand
entities.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, XMLParser
from xml.sax.saxutils import quoteattr

from onec_pipelines.simulator.shape import NAMESPACE, Function, Property, Shape, Structure

_EDM = "{http://schemas.microsoft.com/ado/2009/11/edm}"
_PREFIX = f"{NAMESPACE}."
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<edmx:Edmx xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx" Version="1.0">
<edmx:DataServices xmlns:m="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata" \
m:DataServiceVersion="3.0" m:MaxDataServiceVersion="3.0">
<Schema xmlns="http://schemas.microsoft.com/ado/2009/11/edm" Namespace="StandardODATA">
"""
_TAIL = "</EntityContainer>\n</Schema>\n</edmx:DataServices>\n</edmx:Edmx>\n"


def _short(type_: str | None) -> str:
    text = type_ or ""
    return text.removeprefix("Collection(").removesuffix(")").removeprefix(_PREFIX)


def parse_xml(text: str | bytes) -> Element:
    """Parse XML of unknown origin; raises ValueError for broken XML and for any document type declaration."""
    parser = XMLParser()  # noqa: S314 - a DOCTYPE, the only way to entities, is refused below
    probe = text if isinstance(text, bytes) else text.encode()
    if b"<!DOCTYPE" in probe:
        raise ValueError("a document type declaration is not accepted")
    try:
        parser.feed(text)
        return parser.close()
    except ParseError as error:
        raise ValueError(f"not well-formed XML: {error}") from error


def parse(text: str | bytes, *, name: str) -> Shape:
    """Read a `$metadata` document; raises ValueError when it is not one of 1C's."""
    root = parse_xml(text)
    schema = next(root.iter(f"{_EDM}Schema"), None)
    if schema is None or schema.get("Namespace") != NAMESPACE:
        raise ValueError("not a $metadata of 1C: no Schema with Namespace StandardODATA")
    ends = {
        association.get("Name", ""): {end.get("Role"): _short(end.get("Type")) for end in association}
        for association in schema.iter(f"{_EDM}Association")
    }
    container = schema.find(f"{_EDM}EntityContainer")
    parts = list(container) if container is not None else []
    return Shape(
        name=name,
        entities={one.name: one for one in _structures(schema, "EntityType", ends)},
        complexes={one.name: one for one in _structures(schema, "ComplexType", ends)},
        sets={
            part.get("Name", ""): _short(part.get("EntityType"))
            for part in parts
            if part.tag == f"{_EDM}EntitySet"
        },
        functions=tuple(_function(part) for part in parts if part.tag == f"{_EDM}FunctionImport"),
        enums=tuple(
            (enum.get("Name", ""), tuple(member.get("Name", "") for member in enum))
            for enum in schema.findall(f"{_EDM}EnumType")
        ),
    )


def parse_file(path: Path) -> Shape:
    """Read a `$metadata` file; its stem becomes the shape's name."""
    return parse(path.read_bytes(), name=path.stem)


def _structures(schema: Element, tag: str, ends: dict[str, dict[str | None, str]]) -> Iterator[Structure]:
    for element in schema.findall(f"{_EDM}{tag}"):
        yield Structure(
            name=element.get("Name", ""),
            open=element.get("OpenType") == "true",
            key=tuple(ref.get("Name", "") for ref in element.iter(f"{_EDM}PropertyRef")),
            properties={
                one.get("Name", ""): Property(
                    name=one.get("Name", ""),
                    type=one.get("Type", "Edm.String"),
                    nullable=one.get("Nullable", "true") != "false",
                )
                for one in element.findall(f"{_EDM}Property")
            },
            navigation={
                one.get("Name", ""): ends[_short(one.get("Relationship"))][one.get("ToRole")]
                for one in element.findall(f"{_EDM}NavigationProperty")
            },
        )


def _function(element: Element) -> Function:
    parameters = [(one.get("Name", ""), one.get("Type", "")) for one in element]
    returns = element.get("ReturnType")
    return Function(
        name=element.get("Name", ""),
        binding=next((_short(type_) for name, type_ in parameters if name == "bindingParameter"), ""),
        returns=_short(returns) if returns else None,
        parameters=tuple(one for one in parameters if one[0] != "bindingParameter"),
        side_effect=element.get("IsSideEffecting") == "true",
    )


def _flag(*, value: bool) -> str:
    return "true" if value else "false"


def _write_structure(structure: Structure, tag: str) -> Iterator[str]:
    opened = ' OpenType="true"' if structure.open else ""
    yield f"<{tag} Name={quoteattr(structure.name)}{opened}>\n"
    if structure.key:
        yield "<Key>\n"
        yield from (f"<PropertyRef Name={quoteattr(name)}/>\n" for name in structure.key)
        yield "</Key>\n"
    for one in structure.properties.values():
        yield (
            f"<Property Name={quoteattr(one.name)} Type={quoteattr(one.type)} "
            f'Nullable="{_flag(value=one.nullable)}"/>\n'
        )
    for name in structure.navigation:
        relation = quoteattr(f"{_PREFIX}{structure.name}_{name}")
        yield (
            f"<NavigationProperty Name={quoteattr(name)} Relationship={relation} "
            'FromRole="Begin" ToRole="End"/>\n'
        )
    yield f"</{tag}>\n"


def _write_associations(shape: Shape) -> Iterator[str]:
    for entity in shape.entities.values():
        for name, target in entity.navigation.items():
            yield (
                f"<Association Name={quoteattr(f'{entity.name}_{name}')}>\n"
                f'<End Role="Begin" Type={quoteattr(_PREFIX + entity.name)} Multiplicity="*"/>\n'
                f'<End Role="End" Type={quoteattr(_PREFIX + target)} Multiplicity="0..1"/>\n</Association>\n'
            )


def _write_function(function: Function) -> Iterator[str]:
    returns = f' ReturnType="Collection({_PREFIX}{function.returns})"' if function.returns else ""
    yield (
        f'<FunctionImport Name={quoteattr(function.name)} IsBindable="true" '
        f'IsSideEffecting="{_flag(value=function.side_effect)}"{returns}>\n'
        f'<Parameter Name="bindingParameter" Type={quoteattr(_PREFIX + function.binding)}/>\n'
    )
    yield from (
        f"<Parameter Name={quoteattr(name)} Type={quoteattr(type_)}/>\n"
        for name, type_ in function.parameters
    )
    yield "</FunctionImport>\n"


def render(shape: Shape) -> str:
    """Write the `$metadata` document of the shape."""
    return "".join(_render(shape))


def _render(shape: Shape) -> Iterator[str]:
    yield _HEAD
    for entity in shape.entities.values():
        yield from _write_structure(entity, "EntityType")
    for complex_ in shape.complexes.values():
        yield from _write_structure(complex_, "ComplexType")
    yield from _write_associations(shape)
    for name, members in shape.enums:
        yield f'<EnumType Name={quoteattr(name)} UnderlyingType="Edm.Int32">\n'
        yield from (f"<Member Name={quoteattr(member)}/>\n" for member in members)
        yield "</EnumType>\n"
    yield '<EntityContainer Name="EnterpriseV8" m:IsDefaultEntityContainer="true">\n'
    for name, type_ in shape.sets.items():
        yield f"<EntitySet Name={quoteattr(name)} EntityType={quoteattr(_PREFIX + type_)}/>\n"
    for function in shape.functions:
        yield from _write_function(function)
    yield _TAIL


def pad(text: str, size: int) -> str:
    """The document made `size` bytes large by types of sets that a full publication would have.

    Nothing else changes.
    """
    missing = size - len(text.encode())
    if missing <= 0:
        return text
    block = "".join(_filler(number) for number in range(50))
    blocks = missing // len(block.encode()) + 1
    filler = "".join(_filler(number) for number in range(50 * blocks))
    return text.replace("<EntityContainer ", f"{filler}<EntityContainer ", 1)


def _filler(number: int) -> str:
    properties = "".join(
        f'<Property Name="Реквизит{index}_Key" Type="Edm.Guid" Nullable="true"/>\n' for index in range(30)
    )
    return f'<ComplexType Name="Catalog_Прочее{number:06}_RowType">\n{properties}</ComplexType>\n'

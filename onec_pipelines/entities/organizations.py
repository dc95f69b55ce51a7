"""Организации: the legal entities of the base's owner, who sell (PROTOCOL §11.7)."""

from __future__ import annotations

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, Entity, Field, Source, Target

ORGANIZATIONS = Entity(
    name="organizations",
    title_ru="Организации",
    description="Own legal entities: who sells.",
    group="dictionaries",
    source=Source(resources=("Catalog_Организации",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="full_name", source=("НаименованиеПолное",), transform="clean_text", required=False),
        Field(name="prefix", source=("Префикс",), transform="strip", required=False),
        Field(name="inn", source=("ИНН",), transform="strip", required=False),
        Field(name="kpp", source=("КПП",), transform="strip", required=False),
        Field(name="ogrn", source=("ОГРН",), transform="strip", required=False),
    ),
    target=Target(
        table="shop.organizations",
        columns=(
            Column(name="name", copy="name"),
            Column(name="full_name", copy="full_name"),
            Column(name="prefix", copy="prefix", doc="Begins the numbers of its documents"),
            Column(name="inn", copy="inn"),
            Column(name="kpp", copy="kpp"),
            Column(name="ogrn", copy="ogrn"),
            IS_DELETED,
        ),
    ),
    optional=True,
)

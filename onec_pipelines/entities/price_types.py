"""ВидыЦен: the price lists (retail, wholesale, …) with currency and VAT treatment (PROTOCOL §11.4)."""

from __future__ import annotations

from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    ColumnType,
    Entity,
    Field,
    NaturalKey,
    Source,
    Target,
    ref,
)

PRICE_TYPES = Entity(
    name="price_types",
    title_ru="Виды цен",
    description="Price lists with currency and VAT treatment.",
    group="prices",
    source=Source(resources=("Catalog_ВидыЦен",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="is_folder", source=("IsFolder",), type=ColumnType.BOOLEAN, required=False),
        Field(name="code", source=("Идентификатор",), transform="clean_text", required=False),
        ref("currency_ref", "ВалютаЦены_Key", to="currencies"),
        Field(name="price_includes_vat", source=("ЦенаВключаетНДС",), type=ColumnType.BOOLEAN),
        Field(
            name="is_used_in_sales",
            source=("ИспользоватьПриПродаже",),
            type=ColumnType.BOOLEAN,
            required=False,
        ),
    ),
    target=Target(
        table="shop.price_types",
        natural_keys=(NaturalKey(columns=("name",)),),
        where="c.is_folder IS NOT TRUE",
        columns=(
            Column(name="name", copy="name"),
            Column(name="code", copy="code"),
            Column(name="currency_id", reference="currency_ref"),
            Column(
                name="price_includes_vat",
                sql="coalesce(c.price_includes_vat, false)",
                inputs=("price_includes_vat",),
            ),
            Column(name="is_used_in_sales", copy="is_used_in_sales"),
            IS_DELETED,
        ),
    ),
    depends_on=("currencies",),
)

"""ХарактеристикиНоменклатуры: the variants (size, colour) of one product or of all products of a kind (PROTOCOL §11.2)."""

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
    Way,
    ref,
)

VARIANTS = Entity(
    name="variants",
    title_ru="Характеристики номенклатуры",
    description="Variants of a product, or common to all products of a kind.",
    group="catalog",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_ХарактеристикиНоменклатуры",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", nullable=False),
        Field(name="full_name", source=("НаименованиеПолное",), transform="clean_text", required=False),
        Field(name="owner_ref", source=("Owner",), type=ColumnType.GUID, transform="guid_or_null"),
        Field(name="owner_type", source=("Owner_Type",)),
        ref(
            "pricing_variant_ref",
            "ХарактеристикаНоменклатурыДляЦенообразования_Key",
            to="pricing_variants",
            required=False,
        ),
    ),
    target=Target(
        table="shop.product_variants",
        natural_keys=(NaturalKey(columns=("name", "product_id")),),
        columns=(
            Column(
                name="product_id",
                reference="owner_ref",
                entity="products",
                when="c.owner_type LIKE '%%.Catalog_Номенклатура'",
                doc="NULL for a variant common to a kind",
            ),
            Column(
                name="kind_id",
                reference="owner_ref",
                entity="product_kinds",
                when="c.owner_type LIKE '%%.Catalog_ВидыНоменклатуры'",
                doc="NULL for a variant of one product",
            ),
            Column(name="name", copy="name"),
            Column(name="full_name", copy="full_name"),
            Column(name="pricing_variant_id", reference="pricing_variant_ref"),
            IS_DELETED,
        ),
    ),
    depends_on=("products", "product_kinds", "pricing_variants"),
)

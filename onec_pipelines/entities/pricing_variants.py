"""ХарактеристикиНоменклатурыДляЦенообразования: the variants that prices of pricing 2.5 are set for (PROTOCOL §11.4)."""

from __future__ import annotations

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, Entity, Field, Source, Target, Way

PRICING_VARIANTS = Entity(
    name="pricing_variants",
    title_ru="Характеристики для ценообразования",
    description="Variants as pricing 2.5 sees them: several product variants may share one.",
    group="prices",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_ХарактеристикиНоменклатурыДляЦенообразования",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", required=False),
    ),
    target=Target(
        table="shop.pricing_variants",
        columns=(Column(name="name", copy="name"), IS_DELETED),
    ),
    optional=True,
)

"""КартыЛояльности: the cards that customers hold, by barcode (PROTOCOL §11.9). A number of a card is personal data."""

from __future__ import annotations

from onec_pipelines.spec import IS_DELETED, OBJECT_FIELDS, Column, Entity, Field, Source, Target, Way, ref

LOYALTY_CARDS = Entity(
    name="loyalty_cards",
    title_ru="Карты лояльности",
    description="Loyalty cards: kind, holder, barcode, status.",
    group="loyalty",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_КартыЛояльности",)),
    fields=(
        *OBJECT_FIELDS,
        Field(name="name", source=("Description",), transform="clean_text", pii=True),
        ref("kind_ref", "Owner_Key", to="loyalty_card_kinds"),
        Field(name="barcode", source=("Штрихкод",), transform="strip", max_length=200, pii=True),
        Field(name="magnetic_code", source=("МагнитныйКод",), transform="strip", required=False, pii=True),
        Field(name="status", source=("Статус",), transform="card_status"),
        ref("partner_ref", "Партнер_Key", to="customers"),
        ref("counterparty_ref", "Контрагент_Key", to="counterparties", required=False),
    ),
    target=Target(
        table="shop.loyalty_cards",
        columns=(
            Column(name="name", copy="name"),
            Column(name="kind_id", reference="kind_ref"),
            Column(name="barcode", copy="barcode"),
            Column(name="magnetic_code", copy="magnetic_code"),
            Column(name="status", copy="status", doc="active or cancelled"),
            Column(name="customer_id", reference="partner_ref", doc="NULL = a card without a holder"),
            Column(name="counterparty_id", reference="counterparty_ref"),
            IS_DELETED,
        ),
    ),
    depends_on=("loyalty_card_kinds", "customers", "counterparties"),
    optional=True,
)

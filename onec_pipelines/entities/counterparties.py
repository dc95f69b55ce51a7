"""Контрагенты: the legal side of a customer, with tax numbers and contact information (PROTOCOL §11.6). Personal data is marked."""

from __future__ import annotations

from onec_pipelines.entities.contact_rows import VALID_FROM, contact_target, contacts
from onec_pipelines.spec import (
    IS_DELETED,
    OBJECT_FIELDS,
    Column,
    Entity,
    Field,
    NaturalKey,
    Source,
    Target,
    Way,
    ref,
)

COUNTERPARTIES = Entity(
    name="counterparties",
    title_ru="Контрагенты",
    description="Legal entities and persons behind customers: tax numbers and contact information.",
    group="customers",
    way=Way.VERSIONS,
    source=Source(resources=("Catalog_Контрагенты",)),
    fields=(
        *OBJECT_FIELDS,
        Field(
            name="name",
            source=("Description",),
            transform="clean_text",
            nullable=False,
            max_length=100,
            pii=True,
        ),
        Field(name="full_name", source=("НаименованиеПолное",), transform="clean_text", pii=True),
        Field(name="inn", source=("ИНН",), transform="strip", max_length=12, pii=True),
        Field(name="kpp", source=("КПП",), transform="strip", max_length=9),
        Field(
            name="legal_form",
            source=("ЮрФизЛицо", "ЮридическоеФизическоеЛицо"),
            transform="legal_form",
        ),
        ref("partner_ref", "Партнер_Key", to="customers"),
        ref("head_ref", "ГоловнойКонтрагент_Key", to="counterparties", required=False),
    ),
    sections=(contacts(VALID_FROM),),
    target=Target(
        table="shop.counterparties",
        natural_keys=(NaturalKey(columns=("inn", "kpp")),),
        columns=(
            Column(name="name", copy="name"),
            Column(name="full_name", copy="full_name"),
            Column(name="inn", copy="inn"),
            Column(name="kpp", copy="kpp"),
            Column(name="legal_form", copy="legal_form"),
            Column(
                name="customer_id",
                reference="partner_ref",
                doc="The customer behind it; a customer may have several counterparties, or none",
            ),
            Column(
                name="head_id",
                reference="head_ref",
                doc="1C fills it with the row itself when there is no head",
            ),
            IS_DELETED,
        ),
        children=(
            contact_target(
                "shop.counterparty_contacts",
                Column(name="valid_from", sql="c.valid_from::date", inputs=("valid_from",)),
            ),
        ),
    ),
    depends_on=("customers", "contact_kinds"),
)

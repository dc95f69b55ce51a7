"""Контрагенты: the legal side of a customer of the application (PROTOCOL §11.6)."""

from __future__ import annotations

from onec_pipelines.entities.outgoing.contact_rows import CONTACTS
from onec_pipelines.entities.outgoing.maps import COUNTERPARTY_KINDS, LEGAL_SIDES
from onec_pipelines.steps.push.declaration import Attribute, Kind, Outgoing, Owner

COUNTERPARTIES = Outgoing(
    name="counterparties",
    title="counterparty",
    resource="Catalog_Контрагенты",
    attributes=(
        Attribute(wire=("Description",), fact="name", max_length=100, personal=True, filled=True),
        Attribute(wire=("НаименованиеПолное",), fact="full_name", max_length=1024, personal=True),
        Attribute(wire=("Партнер_Key",), fact="partner", kind=Kind.REF, filled=True),
        Attribute(
            wire=("ЮрФизЛицо",),
            fact="kind",
            kind=Kind.ENUM,
            enum="ЮрФизЛицо",
            names=COUNTERPARTY_KINDS,
            owner=Owner.ONCE,
            twin="legal_side",
        ),
        Attribute(
            wire=("ЮридическоеФизическоеЛицо",),
            fact="legal_side",
            kind=Kind.ENUM,
            enum="ЮридическоеФизическоеЛицо",
            names=LEGAL_SIDES,
            owner=Owner.ONCE,
            twin="kind",
        ),
        Attribute(wire=("ИНН",), fact="inn", max_length=12, personal=True),
        Attribute(wire=("КПП",), fact="kpp", max_length=9),
    ),
    sections=(CONTACTS,),
)

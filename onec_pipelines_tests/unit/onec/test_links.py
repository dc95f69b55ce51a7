"""Links that open an object in 1C."""

from __future__ import annotations

import pytest

from onec_pipelines.onec.links import deep_link

KEY = "8b9660f6-6332-11ec-ad72-000c29b45b09"


@pytest.mark.parametrize(
    ("resource", "key", "link"),
    [
        (
            "Document_ЗаказКлиента",
            KEY,
            "e1cib/data/Документ.ЗаказКлиента?ref=ad72000c29b45b0911ec63328b9660f6",
        ),
        (
            "Catalog_Партнеры",
            KEY.upper(),
            "e1cib/data/Справочник.Партнеры?ref=ad72000c29b45b0911ec63328b9660f6",
        ),
        ("InformationRegister_КурсыВалют", KEY, None),
        ("Document_ЗаказКлиента", "none", None),
        ("Document", KEY, None),
    ],
)
def test_the_parts_of_the_guid_stand_in_1cs_own_order(resource, key, link):
    assert deep_link(resource, key) == link

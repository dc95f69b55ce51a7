"""The releases of UT 11 that the simulator can be: two shapes made of whole configurations, two derived by facts.

11.5.8 and 11.5.27 are 11.5.20 with the differences that PROTOCOL §11.1 names, no others: no `$metadata` of
theirs was at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from onec_pipelines.simulator.patches import Addition, Patch
from onec_pipelines.simulator.shape import Shape, shipped

DEFAULT = "11.5.20"
_WHOLE = {"11.4": "ut_11_4_1_254", DEFAULT: "ut_11_5_20_68"}
_ORDERS = "AccumulationRegister_РаспоряженияНаОтгрузку"
_BARCODES = "InformationRegister_ШтрихкодыНоменклатуры"
_PATCHES: Mapping[str, Patch] = {
    "11.5.8": Patch(
        without=(
            "AccumulationRegister_ЗапасыИПотребности",
            _ORDERS,
            "InformationRegister_ХранилищеФайлов",
            "Catalog_ХранилищеДвоичныхДанных",
        ),
        taken=("AccumulationRegister_ЗаказыКлиентов", "InformationRegister_ДвоичныеДанныеФайлов"),
        sections=(("Document_ЗаказКлиента", "НачислениеБонусныхБаллов"),),
        dropped={"AccumulationRegister_БонусныеБаллы": ("Зарезервировано",)},
        members_without={"СтавкиНДС": ("НДС5", "НДС5_105", "НДС7", "НДС7_107")},
    ),
    "11.5.27": Patch(
        replaced={_ORDERS: "AccumulationRegister_РаспоряженияНаОтгрузкуИВозврат"},
        obsolete={_BARCODES: ("Номенклатура_Key", "Характеристика_Key", "Упаковка_Key")},
        added={
            "AccumulationRegister_РаспоряженияНаОтгрузкуИВозврат": (
                Addition(name="Показатель", type="Edm.String"),
            ),
            "AccumulationRegister_ТоварыНаСкладах": (
                Addition(name="КонтролируемаяПартия_Key", type="Edm.Guid"),
            ),
            "InformationRegister_ЦеныНоменклатуры25": (
                Addition(name="СтавкаНДС_Key", type="Edm.Guid", target="Catalog_СтавкиНДС"),
            ),
            _BARCODES: (
                Addition(name="Номенклатура_Key", type="Edm.Guid", target="Catalog_Номенклатура"),
                Addition(
                    name="Характеристика_Key", type="Edm.Guid", target="Catalog_ХарактеристикиНоменклатуры"
                ),
                Addition(name="Серия_Key", type="Edm.Guid"),
                Addition(name="Упаковка_Key", type="Edm.Guid", target="Catalog_УпаковкиЕдиницыИзмерения"),
            ),
        },
        keys={_BARCODES: ("Штрихкод", "Номенклатура_Key", "Характеристика_Key", "Серия_Key", "Упаковка_Key")},
        members_with={
            "СтавкиНДС": ("НДС22", "НДС22_122"),
            "ФормыОплаты": ("СистемаБыстрыхПлатежей",),
            "СостоянияЗаказовКлиентов": ("ОжидаетсяПереходПраваСобственности",),
        },
    ),
}
RELEASES = ("11.4", "11.5.8", DEFAULT, "11.5.27")


@cache
def shape_of(release: str) -> Shape:
    """The shape of a release; raises KeyError for one that is not in RELEASES."""
    if release in _WHOLE:
        return shipped(_WHOLE[release])
    name = f"ut_{release.replace('.', '_')}"
    return _PATCHES[release].apply(shipped(), name=name, older=shipped(_WHOLE["11.4"]))

"""A client that others wrote (PyPI `python-1c-odata`) reads, pages, creates, edits, posts and reads virtual tables, in both formats."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
import python_1c_odata as client

from onec_pipelines.simulator.server import Simulator

HEAD = ("Партнер_Key", "Контрагент_Key", "Организация_Key", "Соглашение_Key", "Валюта_Key", "Склад_Key")


@pytest.fixture(scope="module")
def base():
    with Simulator.start_process(products=60, seed=3) as running:
        yield running


@pytest.fixture(params=["json", "atom"])
def run(request, base):
    """Runs a coroutine function with an open infobase."""

    def runner(story):
        async def whole():
            server = base.url.split("/ut/")[0]
            async with client.Infobase(
                server, "ut", base.user, base.password, format=request.param
            ) as infobase:
                return await story(infobase)

        return asyncio.run(whole())

    return runner


def number(value):
    return Decimal(str(value))


def test_it_reads_the_metadata(run):
    async def story(infobase):
        info = await infobase.entity_type_for_set("Document_ЗаказКлиента")
        return info.keys, await infobase.has_entity_set("Catalog_Номенклатура")

    assert run(story) == (("Ref_Key",), True)


def test_it_pages_through_a_catalog_and_counts_it(run):
    async def story(infobase):
        goods = client.Catalog(infobase, "Номенклатура")
        rows = [row async for row in goods.iterate(page_size=7, select="Ref_Key", orderby="Ref_Key")]
        return len(rows), len({row["Ref_Key"] for row in rows}), await goods.count()

    read, different, counted = run(story)
    assert read == different == counted > 60


def test_its_filters_are_understood(run):
    async def story(infobase):
        orders = client.Document(infobase, "ЗаказКлиента")
        wanted = (client.F("Posted") == True) & client.F("Товары").any(client.F("Количество") > 1)  # noqa: E712
        found = await orders.query(odata_filter=wanted, select="Ref_Key,Number", inlinecount=True, top=2)
        everything = await orders.count()
        return len(found.value), found.count, everything

    rows, passed, everything = run(story)
    assert rows == 2
    assert 2 <= passed < everything


def test_it_creates_edits_reads_and_deletes(run):
    async def story(infobase):
        goods = client.Catalog(infobase, "Номенклатура")
        made = await goods.create({"Description": "Чужой клиент & Ко", "Артикул": "ЧК-1"})
        changed = await goods.edit(made["Ref_Key"], {"Description": "Иное"})
        read = await goods.get(made["Ref_Key"])
        await goods.delete(made["Ref_Key"])
        with pytest.raises(client.EntityNotFound):
            await goods.get(made["Ref_Key"])
        return made, changed, read

    made, changed, read = run(story)
    assert (made["Description"], made["DataVersion"]) == ("Чужой клиент & Ко", "AAAAAAAAAAA=")
    assert (changed["Description"], changed["DataVersion"]) == ("Иное", "AAAAAAAAAAE=")
    assert (read["Description"], read["Артикул"]) == ("Иное", "ЧК-1")


def test_it_posts_and_unposts_an_order(run):
    async def story(infobase):
        orders = client.Document(infobase, "ЗаказКлиента")
        sample = (await orders.query(top=1, odata_filter="Posted eq true", select=",".join(HEAD))).value[0]
        body = {
            "Date": "2026-06-14T10:00:00",
            "Статус": "КОбеспечению",
            **{name: sample[name] for name in HEAD},
        }
        made = await orders.create(body)
        with pytest.raises(client.ODataError) as refusal:
            await orders.post(made["Ref_Key"], client.PostingMode.POST)
        return made, refusal.value.status, str(refusal.value)

    made, status, text = run(story)
    assert made["Number"]
    assert status == 500
    assert "Не введено ни одной строки в список" in text


def test_it_posts_a_document_that_can_be_posted(run):
    async def story(infobase):
        receipts = client.Document(infobase, "ПриобретениеТоваровУслуг")
        key = (await receipts.query(top=1, odata_filter="Posted eq true", select="Ref_Key")).value[0][
            "Ref_Key"
        ]
        out = []
        for step in (receipts.unpost(key), receipts.post(key, client.PostingMode.POST)):
            await step
            out.append(str((await receipts.get(key, select="Posted"))["Posted"]).lower())
        return out

    assert run(story) == ["false", "true"]


def test_it_reads_virtual_tables(run):
    async def story(infobase):
        stock = client.AccumulationRegister(infobase, "ТоварыНаСкладах")
        rows = (await stock.balance(select="Склад_Key,Номенклатура_Key,ВНаличииBalance"))["value"]
        place = rows[0]["Склад_Key"]
        one = (await stock.balance(condition=f"Склад_Key eq guid'{place}'"))["value"]
        turns = (await stock.turnovers("2026-01-01T00:00:00", "2026-03-31T23:59:59"))["value"]
        both = (await stock.balance_and_turnovers("2026-01-01T00:00:00"))["value"]
        prices = client.InformationRegister(infobase, "ЦеныНоменклатуры25", record_type=True)
        now, then = await prices.slice_last(), await prices.slice_last("2026-01-01T00:00:00")
        return rows, one, turns, both, len(now["value"]), len(then["value"])

    rows, one, turns, both, now, then = run(story)
    assert [row["ВНаличииBalance"] for row in one] == [
        row["ВНаличииBalance"] for row in rows if row["Склад_Key"] == one[0]["Склад_Key"]
    ]
    assert all(
        number(row["ВНаличииReceipt"]) - number(row["ВНаличииExpense"]) == number(row["ВНаличииTurnover"])
        for row in turns
    )
    assert len(both) >= len(rows)
    assert now >= then > 0


def test_it_gets_1c_s_words_when_it_is_refused(run):
    async def story(infobase):
        with pytest.raises(client.ODataError) as refusal:
            await client.Catalog(infobase, "Номенклатура").query(select="НетТакого")
        return refusal.value.status, refusal.value.internal_code, refusal.value.message

    status, code, text = run(story)
    assert (status, code) == (400, "6")
    assert "Сегмент пути НетТакого не найден!" in text

"""What a merge would do to the shop, counted before it does it; limits that hold it; approvals that fit one diff and no other."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from onec_pipelines.entities import BY_NAME
from onec_pipelines.errors import Stop
from onec_pipelines.ledger import approvals, jobs
from onec_pipelines.steps.limits import limits_of
from onec_pipelines.steps.masking import MASK
from onec_pipelines.steps.merge import guarded_merge
from onec_pipelines.steps.outcome import Outcome
from onec_pipelines_tests.fixtures.tables import SYSTEM, guid, store, thing

BRANDS, PRODUCTS, CUSTOMERS = BY_NAME["brands"], BY_NAME["products"], BY_NAME["customers"]
PRICES, STOCK = BY_NAME["prices"], BY_NAME["stock"]
THEN = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def load(database):
    """Merges an entity under limits, as a run does, and gives its outcome."""

    def merge(entity, limits="", *, everything=False, dry_run=False, allow_deletes=False):
        job = jobs.start(database, system_name=SYSTEM, entity=entity.name, job_type="merge", run_id=None)
        outcome = Outcome(entity=entity.name, job_id=job)
        guarded_merge(
            database,
            entity,
            outcome,
            system_name=SYSTEM,
            limits=limits_of(entity, limits, deletes_allowed=allow_deletes),
            everything=everything,
            dry_run=dry_run,
        )
        return outcome

    return merge


def decide(database, outcome, decision="granted"):
    approvals.decide(database, outcome.approval, decision, system_name=SYSTEM, by="anna@desk", reason="sale")


def brands(tx, names, *, job=1, to=None, **cells):
    store(tx, BRANDS, [thing(name, name=to or name, **cells) for name in names], job=job)


def products(tx, load, count, *, job=1, **cells):
    rows = [thing(f"p{n}", name=f"P{n}", product_type="goods", **cells) for n in range(count)]
    store(tx, PRODUCTS, rows, job=job)


@pytest.fixture
def priced(tx, load):
    """Thirty prices of 100."""
    store(tx, BY_NAME["price_types"], [thing("t", name="T", price_includes_vat=True)])
    products(tx, load, 30)
    for name in ("price_types", "products"):
        load(BY_NAME[name])
    price_all(tx, 100)
    load(PRICES)


def price_all(tx, price, *, job=1, only=range(30)):
    rows = [
        {
            "price_type_ref": guid("t"),
            "product_ref": guid(f"p{n}"),
            "price": Decimal(price),
            "valid_from": THEN,
        }
        for n in only
    ]
    store(tx, PRICES, rows, job=job)


def prices_in_shop(tx):
    return [float(row[0]) for row in tx.execute("SELECT DISTINCT price FROM shop.prices ORDER BY 1")]


def stock_all(tx, on_hand, *, job, warehouses=("w", "v"), count=30):
    rows = [
        {"warehouse_ref": guid(w), "product_ref": guid(f"p{n}"), "on_hand": Decimal(on_hand)}
        for w in warehouses
        for n in range(count)
    ]
    store(tx, STOCK, rows, job=job)


def test_the_first_load_is_counted_and_never_held(tx, load):
    brands(tx, [f"b{n}" for n in range(30)], deletion_mark=True)

    outcome = load(BRANDS, "changed_share=0,deleted_share=0")

    assert outcome.status == "succeeded"
    assert (outcome.diff["first"], outcome.diff["new"], outcome.shop_new) == (True, 30, 30)


def test_the_diff_counts_rows_and_values_and_shows_a_few(tx, load):
    brands(tx, ["a", "b", "c"])
    load(BRANDS)
    store(
        tx,
        BRANDS,
        [
            thing("a", name="A"),
            thing("b", name="b") | {"deletion_mark": True},
            thing("d", name="d", manufacturer_ref=guid("none")),
        ],
        job=2,
    )

    diff = load(BRANDS).diff

    assert (diff["new"], diff["changed"], diff["deleted"]) == (1, 1, 1)
    assert diff["columns"] == {"name": 1, "is_deleted": 1}
    shown = {one["change"]: one for one in diff["sample"]}
    assert (shown["changed"]["before"], shown["changed"]["after"]) == ({"name": "a"}, {"name": "A"})
    assert shown["deleted"]["about"] == {"name": "b"}
    assert shown["new"]["after"]["name"] == "d"


def test_a_diff_says_what_the_merge_then_does(tx, load):
    brands(tx, [f"b{n}" for n in range(8)])
    load(BRANDS)
    brands(tx, ["b1", "b2", "x"], job=2, is_folder=False, to="other")

    outcome = load(BRANDS)

    assert outcome.diff["new"] == outcome.shop_new
    assert outcome.diff["changed"] + outcome.diff["new"] == outcome.shop_changed


def test_a_dry_run_writes_nothing_and_the_next_run_loses_nothing(tx, load):
    brands(tx, ["a", "b"])
    load(BRANDS)
    brands(tx, ["a", "c"], job=2, to="Z")
    before = tx.execute("SELECT count(*) FROM integ.external_id_mappings").fetchone()

    dry = load(BRANDS, dry_run=True)

    assert (dry.diff["new"], dry.diff["changed"], dry.shop_changed) == (1, 1, 0)
    assert tx.execute("SELECT name FROM shop.brands ORDER BY 1").fetchall() == [("a",), ("b",)]
    assert tx.execute("SELECT count(*) FROM integ.external_id_mappings").fetchone() == before
    real = load(BRANDS)
    assert (real.shop_new, real.shop_changed) == (1, 2)
    assert real.diff == dry.diff


def test_personal_data_is_masked(tx, load):
    store(tx, CUSTOMERS, [thing("c", name="Иванов Иван", code="7")])
    load(CUSTOMERS)
    store(tx, CUSTOMERS, [thing("c", name="Петров Пётр", code="7")], job=2)

    diff = load(CUSTOMERS).diff

    assert diff["columns"] == {"name": 1}
    assert diff["sample"][0]["after"] == {"name": MASK}
    assert diff["sample"][0]["about"] == {"code": "7", "name": MASK}
    assert "Петров" not in str(diff)


def test_falling_prices_are_held_and_the_shop_stays(tx, load, priced):
    price_all(tx, 40, job=2)

    outcome = load(PRICES)

    assert outcome.status == "held"
    assert prices_in_shop(tx) == [100]
    (breach,) = outcome.diff["breaches"]
    assert (breach["limit"], breach["counted"]) == ("price_fall", 30)
    assert breach["examples"][0]["becomes"].startswith("40")
    rows = tx.execute("SELECT id, state, entity_type FROM integ.approvals").fetchall()
    assert rows == [(outcome.approval, "pending", "prices")]
    assert tx.execute("SELECT action FROM integ.audit_log ORDER BY id DESC LIMIT 1").fetchone() == (
        "load_held",
    )


@pytest.mark.usefixtures("priced")
@pytest.mark.parametrize(
    ("price", "rows", "limits"),
    [
        (50, range(30), ""),
        (40, range(20), ""),
        (40, range(30), "price_fall=70%:20"),
        (40, range(30), "price_fall=30"),
        (40, range(30), "prices.price_fall=off"),
        (40, range(30), "price_fall=1%:0,prices.price_fall=off"),
        (900, range(30), ""),
    ],
)
def test_what_no_limit_forbids_goes_through(tx, load, price, rows, limits):
    price_all(tx, price, job=2, only=rows)

    assert load(PRICES, limits).status == "succeeded"
    assert price in prices_in_shop(tx)


def test_a_granted_load_goes_through_once(tx, load, priced, database):
    price_all(tx, 40, job=2)
    held = load(PRICES)
    decide(database, held)

    outcome = load(PRICES)

    assert (outcome.status, outcome.approval, prices_in_shop(tx)) == ("succeeded", held.approval, [40])
    assert tx.execute("SELECT state FROM integ.approvals").fetchall() == [("used",)]
    assert tx.execute("SELECT count(*) FROM integ.approval_rows").fetchone() == (0,)
    price_all(tx, 10, job=3)
    assert load(PRICES).status == "held"


def test_the_same_load_is_held_under_the_same_approval(tx, load, priced):
    price_all(tx, 40, job=2)
    first = load(PRICES)

    second = load(PRICES)

    assert second.approval == first.approval
    assert tx.execute("SELECT held_runs FROM integ.approvals").fetchall() == [(2,)]


def test_data_that_changed_beyond_the_approval_is_held_again(tx, load, priced, database):
    price_all(tx, 40, job=2)
    held = load(PRICES)
    decide(database, held)
    price_all(tx, 1, job=3, only=[7])

    outcome = load(PRICES)

    assert outcome.status == "held"
    assert outcome.approval != held.approval
    assert outcome.diff["beyond_approval"] == {"approval": held.approval, "rows": 1}
    assert prices_in_shop(tx) == [100]
    states = tx.execute("SELECT state FROM integ.approvals ORDER BY id").fetchall()
    assert states == [("superseded",), ("pending",)]


def test_harmless_changes_meanwhile_do_not_spoil_an_approval(tx, load, priced, database):
    price_all(tx, 40, job=2)
    decide(database, load(PRICES))
    price_all(tx, 120, job=3, only=[7])

    assert load(PRICES).status == "succeeded"
    assert prices_in_shop(tx) == [40, 120]


def test_a_rejected_load_stays_out_and_may_still_be_granted(tx, load, priced, database):
    price_all(tx, 40, job=2)
    held = load(PRICES)
    decide(database, held, "rejected")
    again = load(PRICES)
    assert (again.status, again.approval, prices_in_shop(tx)) == ("held", held.approval, [100])
    assert "anna@desk" in again.message

    decide(database, held)

    assert load(PRICES).status == "succeeded"


def test_a_hold_ends_by_itself_when_1c_is_mended(tx, load, priced):
    price_all(tx, 40, job=2)
    load(PRICES)
    price_all(tx, 99, job=3)

    assert load(PRICES).status == "succeeded"
    assert tx.execute("SELECT state FROM integ.approvals").fetchall() == [("lapsed",)]


def test_a_closed_approval_cannot_be_decided(tx, load, priced, database):
    price_all(tx, 40, job=2)
    held = load(PRICES)
    price_all(tx, 99, job=3)
    load(PRICES)

    with pytest.raises(Stop) as caught:
        decide(database, held)

    assert caught.value.code == "APPROVAL_NOT_OPEN"


def test_stock_that_falls_to_zero_counts_by_sku_over_all_warehouses(tx, load):
    store(tx, BY_NAME["warehouses"], [thing("w", name="W"), thing("v", name="V")])
    products(tx, load, 30)
    for name in ("warehouses", "products"):
        load(BY_NAME[name])
    stock_all(tx, 5, job=1)
    load(STOCK)
    stock_all(tx, 0, job=2, warehouses=("w",))
    assert load(STOCK, "stock_to_zero=20").status == "succeeded"

    stock_all(tx, 0, job=3, warehouses=("v",))

    assert load(STOCK, "stock_to_zero=30").status == "succeeded"
    stock_all(tx, 5, job=4)
    load(STOCK)
    stock_all(tx, 0, job=5)
    outcome = load(STOCK, "stock_to_zero=29")
    assert outcome.status == "held"
    (breach,) = outcome.diff["breaches"]
    assert (breach["counted"], breach["examples"][0]["was"]) == (30, "10.000")


def test_an_emptied_category_is_held_and_a_half_empty_one_is_not(tx, load):
    store(tx, BY_NAME["categories"], [thing("c", name="C"), thing("d", name="D")])
    load(BY_NAME["categories"])
    products(tx, load, 12, category_ref=guid("c"))
    load(PRODUCTS)
    store(
        tx,
        PRODUCTS,
        [thing(f"p{n}", name=f"P{n}", product_type="goods", category_ref=guid("d")) for n in range(11)],
        job=2,
    )
    assert load(PRODUCTS).status == "succeeded"
    products(tx, load, 12, job=3, category_ref=guid("c"))
    load(PRODUCTS, "category_emptied=off")

    products(tx, load, 12, job=4, category_ref=guid("d"))

    outcome = load(PRODUCTS)
    assert outcome.status == "held"
    (breach,) = outcome.diff["breaches"]
    assert (breach["limit"], breach["examples"][0]["was"], breach["examples"][0]["becomes"]) == (
        "category_emptied",
        "12",
        "0",
    )
    assert load(PRODUCTS, "category_emptied=13").status == "succeeded"


def test_vanished_customers_are_held_unless_deletes_are_allowed(tx, load):
    store(tx, CUSTOMERS, [thing(f"c{n}", name=f"C{n}") for n in range(100)])
    load(CUSTOMERS)
    gone = [thing(f"c{n}", name=f"C{n}") | {"deletion_mark": True} for n in range(11)]
    store(tx, CUSTOMERS, gone, job=2)

    assert load(CUSTOMERS, "customers_vanished=12%").status == "succeeded"
    store(tx, CUSTOMERS, [row | {"deletion_mark": False} for row in gone], job=3)
    load(CUSTOMERS)
    store(tx, CUSTOMERS, gone, job=4)
    held = load(CUSTOMERS)
    assert held.status == "held"
    assert held.diff["breaches"][0]["share"] == pytest.approx(0.11)
    assert load(CUSTOMERS, allow_deletes=True).status == "succeeded"


def test_a_share_of_changed_rows_holds_only_when_somebody_wants_it(tx, load, database):
    names = [f"b{n}" for n in range(30)]
    brands(tx, names)
    load(BRANDS)
    store(tx, BRANDS, [thing(name, name=f"{name}!") for name in names[:20]], job=2)

    held = load(BRANDS, "brands.changed_share=50%")

    assert held.status == "held"
    store(tx, BRANDS, [thing(name, name=f"{name}!") for name in names[20:21]], job=3)
    decide(database, held)
    assert load(BRANDS, "changed_share=50%").status == "held"
    assert load(BRANDS).status == "succeeded"


def test_a_tampered_row_of_the_shop_is_shown_and_mended_by_a_whole_comparison(tx, load):
    brands(tx, ["a", "b"])
    load(BRANDS)
    tx.execute("UPDATE shop.brands SET name = 'hacked' WHERE name = 'a'")
    assert load(BRANDS, dry_run=True).diff["changed"] == 0

    outcome = load(BRANDS, everything=True)

    assert outcome.diff["sample"][0]["before"] == {"name": "hacked"}
    assert tx.execute("SELECT name FROM shop.brands ORDER BY 1").fetchall() == [("a",), ("b",)]


def test_rows_of_tabular_sections_are_counted(tx, load):
    store(tx, BY_NAME["attributes"], [thing("a", full_name="A")])
    load(BY_NAME["attributes"])
    line = {"owner": "p", "attribute_ref": guid("a"), "value_type": "Edm.String"}
    owner = thing("p", name="P", product_type="goods")
    store(tx, PRODUCTS, [owner], attributes=[line | {"line_number": n, "value": "1"} for n in (1, 2)])
    load(PRODUCTS)
    lines = [line | {"line_number": n, "value": "2"} for n in (2, 3, 4)]
    store(tx, PRODUCTS, [owner | {"data_version": "2"}], job=2, attributes=lines)

    diff = load(PRODUCTS).diff

    assert diff["children"] == {"shop.product_attributes": {"new": 2, "changed": 1, "removed": 1}}


def test_the_diff_is_in_the_jobs_row_before_the_merge_is_committed(tx, load, database):
    brands(tx, ["a"])
    load(BRANDS)
    brands(tx, ["a", "b"], job=2, to="Z")
    seen = []
    job = jobs.start(database, system_name=SYSTEM, entity="brands", job_type="merge", run_id=None)

    def look():
        seen.append(tx.execute("SELECT name FROM shop.brands").fetchall())
        seen.append(tx.execute("SELECT metadata FROM integ.sync_jobs WHERE id = %s", (job,)).fetchone()[0])

    outcome = Outcome(entity="brands", job_id=job)
    guarded_merge(
        database, BRANDS, outcome, system_name=SYSTEM, limits=(), everything=False, before_write=look
    )

    assert seen[0] == [("a",)]
    assert seen[1]["diff"]["changed"] == 1


def test_of_very_many_rows_an_approval_fits_exactly_these(tx, load, priced, database, monkeypatch):
    monkeypatch.setattr("onec_pipelines.steps.diff._MOST_MARKS", 5)
    price_all(tx, 40, job=2)
    decide(database, load(PRICES))
    price_all(tx, 39, job=3, only=[1])
    again = load(PRICES)
    assert again.status == "held"
    decide(database, again)

    assert load(PRICES).status == "succeeded"

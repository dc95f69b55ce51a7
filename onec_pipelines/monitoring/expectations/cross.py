"""Rules that no single declaration knows: what the tables of the shop must say together. Written by hand, one a rule.

ERROR is for what can only be our mistake; what 1C may really say is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from onec_pipelines.monitoring.expectations.model import Expectation, Severity
from onec_pipelines.monitoring.expectations.tables import Table

_TOTAL_OF = (
    "SELECT t.id::text AS id FROM {table} t JOIN (SELECT l.owner_id, count(*) AS rows, sum({amount}) AS total"
    " FROM {lines} l WHERE {counted} GROUP BY l.owner_id) s ON s.owner_id = t.id"
    # Each line is rounded on its own.
    " WHERE {live} AND abs(t.amount - s.total) > 0.01 * s.rows"
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule shown on the shop asset of `entity`. In `rows` `{live}` is the condition of the live rows of its table `t`."""

    name: str
    entity: str
    words: str
    rows: str
    remedy: str
    severity: Severity = Severity.WARN


def _total(entity: str, table: str, lines: str, *, counted: str = "TRUE", amount: str = "") -> Rule:
    summed = amount or "coalesce(l.amount_with_vat, l.amount)"
    return Rule(
        name="total_is_sum_of_lines",
        entity=entity,
        words="The amount of a document is the sum of its lines that count.",
        rows=_TOTAL_OF.replace("{table}", table)
        .replace("{lines}", lines)
        .replace("{counted}", counted)
        .replace("{amount}", summed),
        remedy="Open the document in 1C and write it anew; if it is right there, `onec sync` it by --guid.",
    )


def _lines_have_product(entity: str, lines: str) -> Rule:
    return Rule(
        name="line_has_product",
        entity=entity,
        words="The product of every line is known.",
        rows=(
            f"SELECT l.owner_id || ':' || l.line_number AS id FROM {lines} l"
            " JOIN {table} t ON t.id = l.owner_id WHERE {live} AND l.product_id IS NULL"
        ),
        remedy="integ.unresolved_refs names the products: quarantined (`onec quarantine list products`), or hidden from the user.",
    )


RULES: tuple[Rule, ...] = (
    Rule(
        name="published_has_category",
        entity="products",
        words="Every live product lies in a live category.",
        rows=(
            "SELECT t.id::text AS id FROM shop.products t WHERE {live} AND NOT EXISTS"
            " (SELECT FROM shop.categories k WHERE k.id = t.category_id AND NOT k.is_deleted)"
        ),
        remedy="Put the product into a group of Номенклатура in 1C: without one nobody finds it in the shop.",
    ),
    Rule(
        name="tree_has_no_cycle",
        entity="categories",
        words="No category is its own ancestor.",
        rows="SELECT t.id::text AS id FROM shop.categories t WHERE {live} AND t.is_cut",
        remedy="Two groups of 1C lie in one another: the tree shows them at the root until one is moved in 1C.",
    ),
    Rule(
        name="tree_is_whole",
        entity="categories",
        words="Every category has a path and a depth.",
        rows="SELECT t.id::text AS id FROM shop.categories t WHERE {live} AND (t.path IS NULL OR t.depth IS NULL)",
        remedy="`onec sync categories --layer shop` builds the tree anew.",
        severity=Severity.ERROR,
    ),
    Rule(
        name="variant_of_live_product",
        entity="variants",
        words="A live variant of one product belongs to a live product.",
        rows=(
            "SELECT t.id::text AS id FROM shop.product_variants t JOIN shop.products p ON p.id = t.product_id"
            " WHERE {live} AND p.is_deleted"
        ),
        remedy="Mark the variant for deletion in 1C as its product is, or take the product's mark away.",
    ),
    Rule(
        name="barcode_of_one_product",
        entity="barcodes",
        words="A barcode leads to one product.",
        rows=(
            "SELECT t.id::text AS id FROM shop.barcodes t WHERE {live} AND EXISTS (SELECT FROM shop.barcodes o"
            " WHERE o.barcode = t.barcode AND o.product_id <> t.product_id AND NOT o.is_deleted)"
        ),
        remedy="Take the barcode away from one of the products in 1C: a scanner would find either.",
    ),
    Rule(
        name="price_of_live_product",
        entity="prices",
        words="A live price belongs to a live product.",
        rows=(
            "SELECT t.id::text AS id FROM shop.prices t JOIN shop.products p ON p.id = t.product_id"
            " WHERE {live} AND p.is_deleted"
        ),
        remedy="1C keeps prices of products that are marked for deletion; they are not shown. Clear them in 1C if they disturb.",
    ),
    Rule(
        name="price_has_currency",
        entity="prices",
        words="A live price has a currency, its own or its price list's.",
        rows=(
            "SELECT t.id::text AS id FROM shop.prices t JOIN shop.price_types y ON y.id = t.price_type_id"
            " WHERE {live} AND coalesce(t.currency_id, y.currency_id) IS NULL"
        ),
        remedy="Give the price list a currency in 1C.",
    ),
    Rule(
        name="price_is_valid_by_now",
        entity="prices",
        words="No current price begins later than tomorrow.",
        rows="SELECT t.id::text AS id FROM shop.prices t WHERE {live} AND t.valid_from > now() + interval '1 day'",
        remedy="A price with a date in the future was read as current: correct the date of its document in 1C.",
    ),
    Rule(
        name="stock_has_price",
        entity="stock",
        words="Every live product with stock has a live price.",
        rows=(
            "SELECT DISTINCT t.product_id::text AS id FROM shop.stock t JOIN shop.products p ON p.id = t.product_id"
            " WHERE t.available > 0 AND NOT p.is_deleted AND p.product_type = 'goods' AND NOT EXISTS"
            " (SELECT FROM shop.prices x WHERE x.product_id = t.product_id AND NOT x.is_deleted)"
        ),
        remedy="Set a price of the product in a price list that is published; without one it cannot be sold.",
    ),
    Rule(
        name="available_not_negative",
        entity="stock",
        words="No row offers less than nothing, unless ONEC_NEGATIVE_STOCK=keep.",
        rows=(
            "SELECT t.id::text AS id FROM shop.stock t LEFT JOIN integ.stock_policy y ON y.system_name = t.system_name"
            " WHERE t.available < 0 AND coalesce(y.negative, 'zero') <> 'keep'"
        ),
        remedy="`onec sync stock --layer shop` computes it anew; if it stays, something else writes shop.stock.",
        severity=Severity.ERROR,
    ),
    Rule(
        name="one_main_picture",
        entity="images",
        words="A product has at most one main picture.",
        rows=(
            "SELECT t.id::text AS id FROM shop.images t WHERE {live} AND t.is_main AND EXISTS (SELECT FROM shop.images o"
            " WHERE o.product_id = t.product_id AND o.id <> t.id AND o.is_main AND NOT o.is_deleted)"
        ),
        remedy="`onec sync images --layer shop` merges anew; if it stays, report it.",
        severity=Severity.ERROR,
    ),
    _lines_have_product("orders", "shop.order_lines"),
    _lines_have_product("shipments", "shop.purchase_lines"),
    _lines_have_product("returns", "shop.return_lines"),
    _total("orders", "shop.orders", "shop.order_lines", counted="l.is_cancelled IS NOT TRUE"),
    _total("shipments", "shop.purchases", "shop.purchase_lines"),
    _total("returns", "shop.returns", "shop.return_lines"),
    _total(
        "return_requests",
        "shop.return_requests",
        "shop.return_request_lines",
        counted="l.is_cancelled IS NOT TRUE",
    ),
    _total("payments", "shop.payments", "shop.payment_lines", amount="l.amount"),
    Rule(
        name="state_of_live_order",
        entity="order_states",
        words="Every state belongs to a live order.",
        rows=(
            "SELECT t.id::text AS id FROM shop.order_states t JOIN shop.orders o ON o.id = t.order_id"
            " WHERE {live} AND o.is_deleted"
        ),
        remedy="1C recomputes the states in the background: if it stays for a day, write the order anew in 1C.",
    ),
    Rule(
        name="card_of_live_customer",
        entity="loyalty_cards",
        words="The customer of a live card is live.",
        rows=(
            "SELECT t.id::text AS id FROM shop.loyalty_cards t JOIN shop.customers k ON k.id = t.customer_id"
            " WHERE {live} AND k.is_deleted"
        ),
        remedy="The card's partner is marked for deletion in 1C: give the card to another, or take the mark away.",
    ),
)
"""All rules across tables."""


def of_table(table: Table) -> Iterator[Expectation]:
    """The rules that are shown with this table."""
    if table.section is not None:
        return
    for rule in RULES:
        if rule.entity == table.entity.name:
            yield Expectation(
                check=rule.name,
                words=rule.words,
                remedy=rule.remedy,
                severity=rule.severity,
                rows=rule.rows.replace("{table}", table.name).replace("{live}", table.live),
            )

"""Migration 0021: barcodes from before their key had the series are found again by the next reading."""

from __future__ import annotations

from onec_pipelines.entities import BY_NAME
from onec_pipelines.settings import project_root
from onec_pipelines_tests.fixtures.tables import guid, store

BARCODES = BY_NAME["barcodes"]
OLD = "11111111-1111-1111-1111-111111111111"


def test_rows_with_an_old_key_get_the_right_one_and_no_row_is_doubled(tx):
    rows = [{"barcode": code, "product_ref": guid("p")} for code in ("4600000000017", "4600000000024")]
    store(tx, BARCODES, rows)
    right = tx.execute("SELECT barcode, row_key FROM clean.barcodes ORDER BY 1").fetchall()
    tx.execute("UPDATE clean.barcodes SET row_key = %s WHERE barcode = '4600000000017'", (OLD,))
    tx.execute(
        "INSERT INTO clean.barcodes (system_name, row_key, barcode, product_ref, changed_in)"
        " SELECT system_name, gen_random_uuid(), barcode, product_ref, 1 FROM clean.barcodes WHERE row_key <> %s",
        (OLD,),
    )

    tx.execute((project_root() / "sql" / "0021_barcode_keys.sql").read_bytes())

    assert tx.execute("SELECT barcode, row_key FROM clean.barcodes ORDER BY 1").fetchall() == right
    assert store(tx, BARCODES, rows, job=2).changed == 0

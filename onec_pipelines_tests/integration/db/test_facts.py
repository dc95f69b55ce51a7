"""Facts about codes that the database knows."""

from __future__ import annotations

from decimal import Decimal

import pytest


def ask(tx, expression, *values):
    return tx.execute(f"SELECT {expression}", values).fetchone()[0]


@pytest.mark.parametrize(
    ("code", "base", "factor"),
    [("166", "kg", 1), ("163", "kg", "0.001"), ("168", "kg", 1000), ("6", "m", 1), ("796", "kg", None),
     ("1660", "kg", None), ("", "kg", None), (None, "kg", None), ("715", "pcs", 2)],
)  # fmt: skip
def test_units_of_okei(tx, code, base, factor):
    assert ask(tx, "integ.okei_factor(%s, %s)", code, base) == (None if factor is None else Decimal(factor))


@pytest.mark.parametrize(
    ("code", "percent"),
    [
        ("НДС20", 20),
        ("НДС20_120", 20),
        ("НДС0", 0),
        ("БезНДС", None),
        ("НДС", None),
        ("", None),
        (None, None),
        ("НДС220", None),
    ],
)
def test_rates_of_vat(tx, code, percent):
    assert ask(tx, "integ.vat_percent(%s)", code) == percent


@pytest.mark.parametrize(
    ("barcode", "valid"),
    [("4006381333931", True), ("4006381333932", False), ("96385074", True), ("9638507", False), ("abc", False),
     ("40063813339310", False), ("٤٠٠٦٣٨١٣٣٣٩٣١", False), ("400638133393\n", False), ("", False)],
)  # fmt: skip
def test_check_digits_of_barcodes(tx, barcode, valid):
    assert ask(tx, "integ.is_ean(%s)", barcode) is valid


@pytest.mark.parametrize(
    ("number", "letters"), [("643", "RUB"), ("810", "RUB"), ("51", "AMD"), ("999", None), (None, None)]
)
def test_letters_of_currencies(tx, number, letters):
    assert ask(tx, "integ.currency_letter_code(%s)", number) == letters

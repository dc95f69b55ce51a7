"""`integ.stock_policy`: which formula says what of the stock is available. SQL reads it there, so that no statement is made per setting."""

from __future__ import annotations

from onec_pipelines.db.engine import Database, driver_connection


def keep(database: Database, *, system_name: str, formula: str, negative: str) -> bool:
    """Make this the policy of the base; True if it was another one. The next merge of stock then compares every row."""
    with database.transaction() as connection:
        tx = driver_connection(connection)
        row = tx.execute(
            "INSERT INTO integ.stock_policy AS p (system_name, formula, negative) VALUES (%s, %s, %s)"
            " ON CONFLICT (system_name) DO UPDATE SET formula = excluded.formula, negative = excluded.negative,"
            " updated_at = now() WHERE (p.formula, p.negative) IS DISTINCT FROM (excluded.formula, excluded.negative)"
            " RETURNING 1",
            (system_name, formula, negative),
        ).fetchone()
    return row is not None


def negative_rows(database: Database, *, system_name: str) -> int:
    """How many rows have promised more than there is."""
    with database.transaction() as connection:
        row = (
            driver_connection(connection)
            .execute("SELECT count(*) FROM shop.negative_stock WHERE system_name = %s", (system_name,))
            .fetchone()
        )
    return int(row[0]) if row else 0

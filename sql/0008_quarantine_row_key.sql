-- Quarantine entries close when a complete reading no longer shows their row: the key by which a reading knows it.
ALTER TABLE clean.quarantine ADD COLUMN row_key uuid;
UPDATE clean.quarantine SET row_key = CASE
    WHEN external_key ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN external_key::uuid
    ELSE md5(external_key)::uuid
END;
ALTER TABLE clean.quarantine ALTER COLUMN row_key SET NOT NULL;
COMMENT ON COLUMN clean.quarantine.row_key IS 'row_key as clean would have it; md5 of external_key for a row without a readable key';

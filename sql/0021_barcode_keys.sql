-- Since 0010 the series is part of a barcode's key: rows from before carry another key, and would be taken for gone all at once.
CREATE TEMP TABLE barcode_keys ON COMMIT DROP AS
SELECT k.system_name, k.row_key, k.right_key
FROM (
    SELECT b.system_name, b.row_key,
        md5(concat_ws('|',
            coalesce(b.barcode, ''), coalesce(b.product_ref::text, ''), coalesce(b.variant_ref::text, ''),
            coalesce(b.unit_ref::text, ''), coalesce(b.series_ref::text, '')
        ))::uuid AS right_key
    FROM clean.barcodes AS b
) AS k
WHERE k.row_key <> k.right_key;

-- A row that was read again under its right key meanwhile is there twice.
DELETE FROM shop.barcodes AS s
USING barcode_keys AS k
WHERE s.system_name = k.system_name AND s.onec_key = k.row_key
    AND EXISTS (SELECT FROM shop.barcodes AS x WHERE x.system_name = k.system_name AND x.onec_key = k.right_key);
UPDATE shop.barcodes AS s SET onec_key = k.right_key
FROM barcode_keys AS k
WHERE s.system_name = k.system_name AND s.onec_key = k.row_key;

DELETE FROM clean.barcodes AS b
USING barcode_keys AS k
WHERE b.system_name = k.system_name AND b.row_key = k.row_key
    AND EXISTS (SELECT FROM clean.barcodes AS x WHERE x.system_name = k.system_name AND x.row_key = k.right_key);
UPDATE clean.barcodes AS b SET row_key = k.right_key
FROM barcode_keys AS k
WHERE b.system_name = k.system_name AND b.row_key = k.row_key;
DROP TABLE barcode_keys;

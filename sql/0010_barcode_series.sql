-- UT 11.5.27 keys barcodes by series too (PROTOCOL §11.1).
ALTER TABLE clean.barcodes ADD COLUMN series_ref uuid;

-- What the other ways of reading need: versions of rejected objects, rows by product, pages by time and by body.
ALTER TABLE clean.quarantine ADD COLUMN data_version text;
COMMENT ON COLUMN clean.quarantine.data_version IS
    'Version of the object that was rejected: the same version is not fetched again';

CREATE INDEX stock_product_ref ON clean.stock (system_name, product_ref);
CREATE INDEX prices_product_ref ON clean.prices (system_name, product_ref);
CREATE INDEX barcodes_product_ref ON clean.barcodes (system_name, product_ref);

CREATE INDEX pages_requested ON raw.pages (system_name, entity_type, requested_at);
CREATE INDEX pages_body ON raw.pages (body_sha256);

-- How a page was asked for, so that pages of any time can be read again, whatever the plan was then.
CREATE TABLE raw.plans (
    fingerprint text PRIMARY KEY,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE raw.plans IS 'Set, columns and sections that pages were asked for, with their types';
ALTER TABLE raw.pages ADD COLUMN plan text REFERENCES raw.plans (fingerprint);
COMMENT ON COLUMN raw.pages.plan IS 'NULL for pages from before plans were kept: the plan of the last whole reading';

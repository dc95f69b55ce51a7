-- ONEC_WEBHOOK_DIRECT_STOCK: the newest event that was applied to each stock row without asking 1C.
CREATE TABLE integ.webhook_stock_sequence (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (system_name, row_key)
);
COMMENT ON TABLE integ.webhook_stock_sequence IS
    'An event with a sequence not above this one is older than what the row holds and changes nothing';

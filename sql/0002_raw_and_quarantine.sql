-- The raw layer, content-addressed (a page that did not change is stored once), and the quarantine.
CREATE TABLE raw.bodies (
    sha256 bytea PRIMARY KEY,
    body bytea NOT NULL,
    raw_bytes integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE raw.bodies ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE raw.bodies IS 'gzip of the bytes as 1C sent them; the key is the sha256 of those bytes';

CREATE TABLE raw.pages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    entity_type text NOT NULL,
    job_id bigint NOT NULL,
    scan_id bigint NOT NULL,
    part text NOT NULL,
    page_index integer NOT NULL,
    request text NOT NULL,
    format text NOT NULL CHECK (format IN ('json', 'atom')),
    requested_at timestamptz NOT NULL,
    elapsed_ms integer NOT NULL,
    row_count integer NOT NULL,
    body_sha256 bytea NOT NULL REFERENCES raw.bodies (sha256)
);
CREATE INDEX pages_scan ON raw.pages (system_name, entity_type, scan_id, id);
COMMENT ON TABLE raw.pages IS 'What was asked, when, and which body came; a mapping fix is replayed from here';

CREATE TABLE clean.quarantine (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    entity_type text NOT NULL,
    external_key text NOT NULL,
    failures jsonb NOT NULL,
    source_row text NOT NULL,
    body_sha256 bytea,
    job_id bigint NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz,
    UNIQUE (system_name, entity_type, external_key)
);
CREATE INDEX quarantine_open ON clean.quarantine (system_name, entity_type) WHERE resolved_at IS NULL;
COMMENT ON TABLE clean.quarantine IS
    'Rejected rows: failures = [{field, rule, reason, value}], source_row = the row as JSON text, personal data masked';

-- What the pipeline remembers: jobs, state, ids, unresolved references, audit. Every key starts with the base's name.
CREATE SCHEMA raw;
CREATE SCHEMA clean;
CREATE SCHEMA shop;
CREATE SCHEMA integ;

COMMENT ON SCHEMA raw IS 'Pages exactly as 1C sent them';
COMMENT ON SCHEMA clean IS 'One typed row per 1C object; rejects in clean.quarantine';
COMMENT ON SCHEMA shop IS 'The e-commerce tables, with our ids';
COMMENT ON SCHEMA integ IS 'The ledger: jobs, state, ids, audit';

CREATE TABLE integ.sync_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_type text NOT NULL,
    system_name text NOT NULL,
    entity_type text NOT NULL,
    run_id text,
    status text NOT NULL CHECK (status IN ('running', 'succeeded', 'failed', 'skipped', 'abandoned')),
    started_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    items_processed bigint NOT NULL DEFAULT 0,
    items_failed bigint NOT NULL DEFAULT 0,
    error_message text,
    metadata jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX sync_jobs_entity ON integ.sync_jobs (system_name, entity_type, id DESC);
COMMENT ON TABLE integ.sync_jobs IS 'One row per run of one entity; items_failed counts quarantined rows';

CREATE TABLE integ.external_id_mappings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entity_type text NOT NULL,
    internal_id bigint NOT NULL,
    external_id uuid NOT NULL,
    system_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_synced_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (system_name, entity_type, external_id),
    UNIQUE (system_name, entity_type, internal_id)
);
COMMENT ON TABLE integ.external_id_mappings IS
    '1C GUID <-> our id, stable for ever; last_synced_at = when a change of the object last reached the shop';

CREATE TABLE integ.sync_state (
    system_name text NOT NULL,
    entity_type text NOT NULL,
    kind text NOT NULL,
    state jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (system_name, entity_type, kind)
);
COMMENT ON TABLE integ.sync_state IS 'Checkpoints: kind "scan" = how far a read has come, kind "shop" = what the shop has merged';

CREATE TABLE integ.unresolved_refs (
    system_name text NOT NULL,
    entity_type text NOT NULL,
    row_key uuid NOT NULL,
    field text NOT NULL,
    target_entity text NOT NULL,
    missing_id uuid NOT NULL,
    holds_row boolean NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (system_name, entity_type, row_key, field)
);
CREATE INDEX unresolved_refs_missing ON integ.unresolved_refs (system_name, target_entity, missing_id);
COMMENT ON TABLE integ.unresolved_refs IS
    'References to objects that have not come yet or never will; they heal when the object arrives';

CREATE TABLE integ.audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    system_name text NOT NULL,
    entity_type text,
    job_id bigint,
    action text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_at ON integ.audit_log (at);
COMMENT ON TABLE integ.audit_log IS 'Append-only; ids, hashes, counts and codes, never personal data';

-- Loads into the shop that a limit holds until somebody says yes (docs/guard.md).
ALTER TABLE integ.sync_jobs DROP CONSTRAINT sync_jobs_status_check;
ALTER TABLE integ.sync_jobs ADD CONSTRAINT sync_jobs_status_check
    CHECK (status IN ('running', 'succeeded', 'failed', 'skipped', 'abandoned', 'held'));

CREATE TABLE integ.approvals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    entity_type text NOT NULL,
    state text NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'granted', 'rejected', 'used', 'superseded', 'lapsed')),
    fingerprint text NOT NULL,
    breaches jsonb NOT NULL,
    diff jsonb NOT NULL,
    job_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    held_runs integer NOT NULL DEFAULT 1,
    last_held_at timestamptz NOT NULL DEFAULT now(),
    decided_by text,
    decided_at timestamptz,
    reason text,
    closed_at timestamptz,
    closed_by_job bigint
);
CREATE UNIQUE INDEX approvals_one_open ON integ.approvals (system_name, entity_type)
    WHERE state IN ('pending', 'granted', 'rejected');
CREATE INDEX approvals_newest ON integ.approvals (system_name, id DESC);
COMMENT ON TABLE integ.approvals IS
    'Held loads: pending, granted and rejected ones are open; used = went through, superseded = other data came, lapsed = nothing breaches a limit any more';
COMMENT ON COLUMN integ.approvals.fingerprint IS 'Of all rows that breach a limit, with the values they would get';
COMMENT ON COLUMN integ.approvals.diff IS 'Counts, and a sample with personal data masked';

CREATE TABLE integ.approval_rows (
    approval_id bigint NOT NULL REFERENCES integ.approvals (id) ON DELETE CASCADE,
    limit_name text NOT NULL,
    row_key text NOT NULL,
    digest text NOT NULL,
    PRIMARY KEY (approval_id, limit_name, row_key)
);
COMMENT ON TABLE integ.approval_rows IS
    'Rows that breach a limit, as long as the approval is open; row_key ''*'' stands for all of them when there are very many';

-- What the nightly audit of the shop's tables found, and the figures of the last good run, against which the next one is compared.
CREATE TABLE integ.quality_figures (
    system_name text NOT NULL,
    table_name text NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    figures jsonb NOT NULL,
    PRIMARY KEY (system_name, table_name)
);
COMMENT ON TABLE integ.quality_figures IS
    'Rows, share of filled values and means of each table when it was last good (docs/quality.md); numbers only';

CREATE TABLE integ.quality_runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    run_id text,
    seconds numeric(10, 1) NOT NULL,
    expectations integer NOT NULL,
    errors integer NOT NULL,
    warnings integer NOT NULL,
    docs text,
    findings jsonb NOT NULL
);
CREATE INDEX quality_runs_newest ON integ.quality_runs (system_name, id DESC);
COMMENT ON TABLE integ.quality_runs IS
    'Audits: how many expectations failed, and findings = which, with how many rows and a few of our ids; no values of rows';

-- What $metadata said of the sets that entities read, each time its meaning changed.
CREATE TABLE integ.schema_versions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    fetched_at timestamptz NOT NULL,
    confirmed_at timestamptz NOT NULL,
    fingerprint text NOT NULL,
    file_sha256 text NOT NULL,
    document jsonb NOT NULL,
    reported_at timestamptz
);
CREATE INDEX schema_versions_newest ON integ.schema_versions (system_name, id DESC);
COMMENT ON TABLE integ.schema_versions IS
    'One row per meaning of $metadata, narrowed to the declared sets; confirmed_at = the latest fetch that meant the same';
COMMENT ON COLUMN integ.schema_versions.file_sha256 IS 'The latest file with this meaning: the same file need not be parsed again';
COMMENT ON COLUMN integ.schema_versions.reported_at IS 'When Dagster''s check showed what this version changed';

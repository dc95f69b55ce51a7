-- What is known of each 1C base itself: which one it is, what it can do, its $metadata for all machines, and the doctor's reports.
CREATE TABLE integ.bases (
    system_name text PRIMARY KEY,
    place text NOT NULL,
    marks_of text,
    marks text[] NOT NULL DEFAULT '{}',
    accepted_at timestamptz NOT NULL DEFAULT now(),
    accepted_by text NOT NULL,
    confirmed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE integ.bases IS 'Which 1C base this database was filled from: another one is refused until a person accepts it';
COMMENT ON COLUMN integ.bases.place IS 'Host and path of the publication; on this machine without the port';
COMMENT ON COLUMN integ.bases.marks IS 'GUIDs of objects of the set marks_of: two bases that share none of them are not the same';

CREATE TABLE integ.base_capabilities (
    system_name text NOT NULL,
    place text NOT NULL,
    probed_at timestamptz NOT NULL DEFAULT now(),
    document jsonb NOT NULL,
    PRIMARY KEY (system_name, place)
);
COMMENT ON TABLE integ.base_capabilities IS 'What `onec doctor` found the base able to do; the client obeys it (onec/capabilities.py)';

CREATE TABLE integ.metadata_files (
    system_name text NOT NULL,
    base text NOT NULL,
    sha256 text NOT NULL,
    fetched_at timestamptz NOT NULL,
    size bigint NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (system_name, base)
);
ALTER TABLE integ.metadata_files ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE integ.metadata_files IS 'gzip of the latest $metadata, so that each machine need not ask 1C for it';
COMMENT ON COLUMN integ.metadata_files.base IS 'A hash of address and user: what is published may depend on both';

CREATE TABLE integ.doctor_reports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    worst text NOT NULL CHECK (worst IN ('ok', 'note', 'warning', 'error')),
    requests integer NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX doctor_reports_newest ON integ.doctor_reports (system_name, id DESC);
COMMENT ON TABLE integ.doctor_reports IS 'The latest reports of `onec doctor`, without secrets and personal data';

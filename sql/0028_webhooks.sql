-- Webhooks: what 1C told us, how often, and what came of it (docs/webhooks.md). The work itself is in integ.retry_queue.
CREATE TABLE integ.webhook_inbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    msg_id text COLLATE "C" NOT NULL,
    type text NOT NULL,
    refs uuid[] NOT NULL DEFAULT '{}',
    details jsonb,
    sent_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (system_name, msg_id)
);
-- Written in the order of time, so that the smallest of indexes finds what is old.
CREATE INDEX webhook_inbox_received ON integ.webhook_inbox USING brin (received_at) WITH (pages_per_range = 32);
COMMENT ON TABLE integ.webhook_inbox IS
    'Every event of 1C once, however often it came; references and stock values only, never personal data';
COMMENT ON COLUMN integ.webhook_inbox.sent_at IS 'webhook-timestamp: 1C''s clock at the attempt that got through';
COMMENT ON COLUMN integ.webhook_inbox.details IS 'data_version, occurred_at, sequence and stock values, when the event had them';

CREATE TABLE integ.webhook_counts (
    system_name text NOT NULL,
    day date NOT NULL DEFAULT current_date,
    name text NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (system_name, day, name)
);
COMMENT ON TABLE integ.webhook_counts IS
    'Answers of the receiver by day: accepted, duplicate, refused_<why>, unknown_type, secret_<n>, ...; written every 2 seconds';

CREATE TABLE integ.webhook_applied (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    entity_type text NOT NULL,
    way text NOT NULL CHECK (way IN ('fetched', 'direct')),
    job_id bigint,
    hints integer NOT NULL,
    rows_changed integer NOT NULL,
    rows_deleted integer NOT NULL,
    oldest_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX webhook_applied_at ON integ.webhook_applied (applied_at);
COMMENT ON TABLE integ.webhook_applied IS
    'One row per fetch that hints led to; applied_at - oldest_at is how long the oldest of them waited';

-- One budget of sessions, calls per second and patience with 1C for all processes of a base (docs/queue.md).
CREATE TABLE integ.throttle (
    system_name text PRIMARY KEY,
    tokens double precision NOT NULL DEFAULT 1,
    counted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    allowed integer,
    good integer NOT NULL DEFAULT 0,
    halved_at timestamptz,
    breaker text NOT NULL DEFAULT 'closed' CHECK (breaker IN ('closed', 'open', 'half_open')),
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    opened_at timestamptz,
    retry_at timestamptz,
    open_seconds double precision,
    probe_by uuid,
    probe_until timestamptz,
    cause jsonb,
    paused_at timestamptz,
    paused_until timestamptz,
    paused_by text,
    pause_reason text
)
WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE integ.throttle IS 'One row per base: tokens of the rate, calls allowed at once (null = as set), breaker, pause';
COMMENT ON COLUMN integ.throttle.cause IS 'The error that opened the breaker: {code, message, onec_message, http_status, remedy}';

CREATE TABLE integ.throttle_members (
    process uuid NOT NULL,
    lane text NOT NULL CHECK (lane IN ('read', 'write')),
    system_name text NOT NULL,
    held integer NOT NULL,
    wants integer NOT NULL,
    in_use integer NOT NULL,
    waiting_since timestamptz,
    host text NOT NULL,
    pid integer NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (process, lane)
)
WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 200);
COMMENT ON TABLE integ.throttle_members IS
    'Calls to 1C that each process holds now; a process that died is known by its session lock being free, one that hangs by seen_at';

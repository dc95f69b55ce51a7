-- One queue for everything that is tried again: pushes, webhook hints, images, failed pages (docs/queue.md).
CREATE TABLE integ.retry_queue (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    kind text NOT NULL,
    subject text NOT NULL,
    ordering_key text NOT NULL,
    payload jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL DEFAULT 'ready' CHECK (state IN ('ready', 'leased', 'done', 'dead', 'dropped')),
    attempts integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 25 CHECK (max_attempts > 0),
    lost_leases integer NOT NULL DEFAULT 0,
    delays integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    lease_token uuid,
    lease_until timestamptz,
    leased_by text,
    last_error jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    -- A push that died keeps its place: a later event of the same order must not overtake it. A hint that died does
    -- not, because the next one fetches the current state anyway.
    is_open boolean NOT NULL GENERATED ALWAYS AS (state IN ('ready', 'leased') OR (state = 'dead' AND kind = 'push')) STORED,
    CHECK (state <> 'leased' OR (lease_token IS NOT NULL AND lease_until IS NOT NULL))
)
WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
COMMENT ON TABLE integ.retry_queue IS 'Work that is tried until it is done, dead or dropped; items of one ordering_key one at a time in id order';
COMMENT ON COLUMN integ.retry_queue.payload IS 'References and counts, never personal data';
COMMENT ON COLUMN integ.retry_queue.attempts IS 'Counted when the item is claimed, so that an item that kills its worker is counted too';
COMMENT ON COLUMN integ.retry_queue.lost_leases IS 'Claims in a row whose worker never came back; 5 make the item dead (poison)';
COMMENT ON COLUMN integ.retry_queue.delays IS 'Times in a row it was put off for a reason that is not its own fault; these burn no attempt';
COMMENT ON COLUMN integ.retry_queue.last_error IS
    '{kind, code, message, onec_message, http_status, remedy}; kind: later, skipped, refused, stopped, exhausted, poison, bug, unknown_kind';

-- Each index holds only what is not finished: a million done items cost nothing until retention removes them.
CREATE INDEX retry_queue_due ON integ.retry_queue (system_name, kind, run_at, id) WHERE state = 'ready';
CREATE INDEX retry_queue_open ON integ.retry_queue (system_name, ordering_key, id) WHERE is_open;
CREATE UNIQUE INDEX retry_queue_one_leased ON integ.retry_queue (system_name, ordering_key) WHERE state = 'leased';
CREATE INDEX retry_queue_leases ON integ.retry_queue (lease_until) WHERE state = 'leased';
CREATE INDEX retry_queue_dead ON integ.retry_queue (system_name, id) WHERE state = 'dead';
CREATE INDEX retry_queue_finished ON integ.retry_queue (finished_at) WHERE state IN ('done', 'dropped');

-- Called by triggers of the outbox and the inbox in the transaction of whoever wrote there. SECURITY DEFINER: the
-- application's role needs EXECUTE on this and no right on the table.
CREATE FUNCTION integ.enqueue(
    system_name text, kind text, subject text, ordering_key text, payload jsonb, run_at timestamptz DEFAULT now()
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item_id bigint;
BEGIN
    INSERT INTO integ.retry_queue (system_name, kind, subject, ordering_key, payload, run_at)
    VALUES (enqueue.system_name, enqueue.kind, enqueue.subject, enqueue.ordering_key, coalesce(enqueue.payload, '{}'),
        coalesce(enqueue.run_at, now()))
    RETURNING id INTO item_id;
    -- One wake-up per transaction and kind, however many items: PostgreSQL folds equal notifications together.
    PERFORM pg_notify('onec_queue', enqueue.system_name || ':' || enqueue.kind);
    RETURN item_id;
END
$$;
COMMENT ON FUNCTION integ.enqueue IS 'Put one item into integ.retry_queue and wake the workers when the transaction commits; gives its id';

-- Processes that work the queue off. A row whose seen_at is old belongs to a process that is gone or hangs.
CREATE TABLE integ.workers (
    id uuid PRIMARY KEY,
    system_name text NOT NULL,
    kinds text[] NOT NULL,
    threads integer NOT NULL,
    host text NOT NULL,
    pid integer NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'stopping', 'stopped')),
    busy integer NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    waits_for text,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE integ.workers IS 'Heartbeats of `onec worker`; waits_for says why nothing is worked off (pause, breaker, quiet hours)';

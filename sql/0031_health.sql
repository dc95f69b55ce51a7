-- Calls to 1C in figures, and the views that status, dashboard, metrics and advice show (docs/health.md).
CREATE TABLE integ.calls (
    system_name text NOT NULL,
    minute timestamptz NOT NULL,
    resource text NOT NULL,
    kind text NOT NULL,
    error_code text NOT NULL DEFAULT '',
    in_flight smallint NOT NULL DEFAULT 1,
    calls integer NOT NULL,
    repeats integer NOT NULL DEFAULT 0,
    seconds double precision NOT NULL,
    waited double precision NOT NULL,
    wire_bytes bigint NOT NULL,
    slowest double precision NOT NULL,
    slowest_request text NOT NULL DEFAULT '',
    buckets integer[] NOT NULL,
    PRIMARY KEY (system_name, minute, resource, kind, error_code, in_flight)
);
CREATE INDEX calls_minute ON integ.calls USING brin (minute);
COMMENT ON TABLE integ.calls IS 'Attempts to call 1C by minute and resource; written every few seconds by each process';
COMMENT ON COLUMN integ.calls.error_code IS 'Empty = it went well';
COMMENT ON COLUMN integ.calls.in_flight IS 'How many calls of the same process were on their way meanwhile, this one included';
COMMENT ON COLUMN integ.calls.seconds IS 'Sum of the seconds 1C took; waiting for our own throttle and sessions is in waited';
COMMENT ON COLUMN integ.calls.buckets IS 'How many took up to 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60 seconds, and longer';
COMMENT ON COLUMN integ.calls.slowest_request IS 'Masked: texts and long numbers of conditions are hidden';

CREATE TABLE integ.slow_calls (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    requested_at timestamptz NOT NULL,
    resource text NOT NULL,
    kind text NOT NULL,
    request text NOT NULL,
    seconds double precision NOT NULL,
    waited double precision NOT NULL,
    wire_bytes bigint NOT NULL,
    status integer,
    attempt integer NOT NULL,
    error_code text NOT NULL DEFAULT '',
    in_flight smallint NOT NULL
);
CREATE INDEX slow_calls_at ON integ.slow_calls (system_name, requested_at);
COMMENT ON TABLE integ.slow_calls IS 'Calls that took 1C five seconds and longer, one row each; at most twenty of each writing';

CREATE FUNCTION integ.add_buckets(one integer[], other integer[]) RETURNS integer[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(coalesce(a, 0) + coalesce(b, 0) ORDER BY n) FROM unnest(one, other) WITH ORDINALITY AS u (a, b, n)
$$;
CREATE AGGREGATE integ.sum_buckets (integer[]) (SFUNC = integ.add_buckets, STYPE = integer[], INITCOND = '{}');

CREATE FUNCTION integ.bucket_quantile(buckets integer[], share double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT min(upto) FROM (
        SELECT (ARRAY[0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 'Infinity']::double precision[])[n] AS upto,
            sum(b) OVER (ORDER BY n) AS below, sum(b) OVER () AS everything
        FROM unnest(buckets) WITH ORDINALITY AS u (b, n)
    ) AS found WHERE everything > 0 AND below >= everything * share
$$;
COMMENT ON FUNCTION integ.bucket_quantile IS 'The upper edge of the bucket in which the quantile lies, in seconds; NULL without calls';

CREATE FUNCTION integ.error_code(message text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce((regexp_match(message, '^\[([A-Z0-9_]{1,60})\]'))[1], (regexp_match(message, '^[A-Za-z_][A-Za-z0-9_.]{0,59}$'))[1], 'OTHER')
$$;
COMMENT ON FUNCTION integ.error_code IS 'Our code at the start of an error text, or the name of an exception; never the text itself';

-- A run is one row of sync_jobs without dry runs, which bring nothing.
CREATE VIEW integ.health_runs AS
SELECT
    j.id, j.system_name, j.entity_type, j.job_type, j.status, j.run_id, j.started_at, j.completed_at,
    extract(epoch FROM coalesce(j.completed_at, now()) - j.started_at)::double precision AS seconds,
    j.items_processed, j.items_failed,
    CASE WHEN j.error_message IS NOT NULL THEN integ.error_code(j.error_message) END AS error_code,
    j.metadata ->> 'way' AS way,
    coalesce((j.metadata ->> 'whole')::boolean, false) AS whole,
    coalesce((j.metadata ->> 'requests')::bigint, 0) AS requests,
    coalesce((j.metadata ->> 'wire_bytes')::bigint, 0) AS wire_bytes,
    coalesce((j.metadata ->> 'clean_changed')::bigint, 0) + coalesce((j.metadata ->> 'deleted')::bigint, 0)
        + coalesce((j.metadata ->> 'shop_changed')::bigint, 0) AS rows_changed,
    j.job_type = 'inbound' AND j.status = 'succeeded' AND coalesce(j.metadata ->> 'way', '') NOT IN ('', 'keys')
        AND coalesce(j.metadata #> '{seconds,shop}', 'null') <> 'null' AS confirms
FROM integ.sync_jobs AS j
WHERE j.job_type <> 'dry_run';
COMMENT ON VIEW integ.health_runs IS
    'Runs of entities with their figures; confirms = what the shop holds was compared with 1C as of started_at (not for single keys)';

CREATE VIEW integ.health_entities AS
WITH last_run AS (
    SELECT DISTINCT ON (system_name, entity_type) * FROM integ.health_runs ORDER BY system_name, entity_type, id DESC
), confirmed AS (
    SELECT system_name, entity_type, max(started_at) AS confirmed_at FROM integ.health_runs WHERE confirms
    GROUP BY system_name, entity_type
), day AS (
    SELECT system_name, entity_type,
        count(*) FILTER (WHERE status <> 'running') AS runs,
        count(*) FILTER (WHERE status IN ('failed', 'abandoned')) AS failed,
        sum(requests) AS requests, sum(wire_bytes) AS wire_bytes, sum(rows_changed) AS rows_changed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE status = 'succeeded') AS median_seconds,
        max(seconds) FILTER (WHERE status = 'succeeded') AS worst_seconds
    FROM integ.health_runs WHERE started_at > now() - interval '1 day' GROUP BY system_name, entity_type
), failing AS (
    SELECT r.system_name, r.entity_type, count(*) AS in_a_row, min(r.started_at) AS since FROM integ.health_runs AS r
    WHERE r.status IN ('failed', 'abandoned') AND r.id > coalesce((
        SELECT max(g.id) FROM integ.sync_jobs AS g
        WHERE g.system_name = r.system_name AND g.entity_type = r.entity_type
            AND g.status IN ('succeeded', 'skipped', 'held') AND g.job_type <> 'dry_run'
    ), 0) GROUP BY r.system_name, r.entity_type
), quarantined AS (
    SELECT system_name, entity_type, count(*) AS open FROM clean.quarantine WHERE resolved_at IS NULL GROUP BY 1, 2
), waiting AS (
    SELECT system_name, entity_type, count(*) AS open FROM integ.unresolved_refs GROUP BY 1, 2
), held AS (
    SELECT system_name, entity_type, count(*) AS open FROM integ.approvals WHERE state = 'pending' GROUP BY 1, 2
)
SELECT
    l.system_name, l.entity_type, l.id AS job_id, l.job_type, l.status, l.run_id, l.started_at, l.completed_at, l.seconds,
    l.items_processed, l.items_failed, l.error_code, l.way,
    c.confirmed_at, extract(epoch FROM now() - c.confirmed_at)::double precision AS lag_seconds,
    coalesce(f.in_a_row, 0) AS failures_in_a_row, f.since AS failing_since,
    coalesce(d.runs, 0) AS runs_day, coalesce(d.failed, 0) AS failed_day,
    coalesce(d.requests, 0)::bigint AS requests_day, coalesce(d.wire_bytes, 0)::bigint AS wire_bytes_day,
    coalesce(d.rows_changed, 0)::bigint AS rows_changed_day, d.median_seconds, d.worst_seconds,
    coalesce(q.open, 0) AS quarantined, coalesce(w.open, 0) AS waiting_references, coalesce(h.open, 0) AS held_loads
FROM last_run AS l
LEFT JOIN confirmed AS c USING (system_name, entity_type)
LEFT JOIN day AS d USING (system_name, entity_type)
LEFT JOIN failing AS f USING (system_name, entity_type)
LEFT JOIN quarantined AS q USING (system_name, entity_type)
LEFT JOIN waiting AS w USING (system_name, entity_type)
LEFT JOIN held AS h USING (system_name, entity_type);
COMMENT ON VIEW integ.health_entities IS
    'One row per entity: last run, how old the newest confirmed state is (lag_seconds, NULL = never), the day''s runs, what waits';

CREATE VIEW integ.health_hours AS
SELECT
    system_name, entity_type, date_trunc('hour', started_at) AS hour,
    count(*) FILTER (WHERE status <> 'running') AS runs,
    count(*) FILTER (WHERE status IN ('failed', 'abandoned')) AS failed,
    avg(seconds) FILTER (WHERE status = 'succeeded') AS seconds, max(seconds) FILTER (WHERE status = 'succeeded') AS worst_seconds,
    sum(requests)::bigint AS requests, sum(rows_changed)::bigint AS rows_changed
FROM integ.health_runs WHERE started_at > now() - interval '14 days' GROUP BY 1, 2, 3;

CREATE VIEW integ.health_errors AS
SELECT system_name, 'runs' AS source, error_code AS code, count(*) AS count, max(coalesce(completed_at, started_at)) AS last_at
FROM integ.health_runs WHERE error_code IS NOT NULL AND started_at > now() - interval '1 day' GROUP BY 1, 3
UNION ALL
SELECT system_name, 'calls', error_code, sum(calls)::bigint, max(minute)
FROM integ.calls WHERE error_code <> '' AND minute > now() - interval '1 day' GROUP BY 1, 3
UNION ALL
SELECT system_name, 'queue', coalesce(last_error ->> 'code', 'OTHER'), count(*), max(updated_at)
FROM integ.retry_queue WHERE last_error IS NOT NULL AND state IN ('ready', 'leased', 'dead') GROUP BY 1, 3;
COMMENT ON VIEW integ.health_errors IS 'Error codes of the last day: of runs, of calls, and of what is in the queue now';

CREATE VIEW integ.health_queue AS
SELECT
    system_name, kind,
    count(*) FILTER (WHERE state = 'ready') AS ready,
    count(*) FILTER (WHERE state = 'ready' AND run_at <= now()) AS due,
    count(*) FILTER (WHERE state = 'leased') AS leased,
    count(*) FILTER (WHERE state = 'dead') AS dead,
    coalesce(extract(epoch FROM now() - min(run_at) FILTER (WHERE state = 'ready' AND run_at <= now())), 0)::double precision
        AS oldest_due_seconds,
    coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE state IN ('ready', 'leased'))), 0)::double precision
        AS oldest_seconds
FROM integ.retry_queue WHERE state IN ('ready', 'leased', 'dead') GROUP BY system_name, kind;
COMMENT ON VIEW integ.health_queue IS 'What is not finished, by kind; oldest_due_seconds = how long the longest waiting due item is due';

CREATE VIEW integ.health_base AS
SELECT
    b.system_name, coalesce(t.breaker, 'closed') AS breaker, t.opened_at, t.retry_at, t.cause ->> 'code' AS cause_code,
    t.paused_at, t.paused_until, t.pause_reason, t.paused_at IS NOT NULL AND (t.paused_until IS NULL OR t.paused_until > now()) AS paused,
    t.allowed, t.tokens, coalesce(m.in_use, 0) AS in_use, coalesce(m.waiting, 0) AS waiting,
    coalesce(w.alive, 0) AS workers, coalesce(w.silent, 0) AS silent_workers, w.waits_for
FROM (
    SELECT system_name FROM integ.throttle UNION SELECT system_name FROM integ.sync_jobs UNION SELECT system_name FROM integ.workers
) AS b
LEFT JOIN integ.throttle AS t USING (system_name)
LEFT JOIN (
    SELECT system_name, sum(in_use) AS in_use, sum(greatest(wants - held, 0)) AS waiting FROM integ.throttle_members
    WHERE seen_at > now() - interval '15 seconds' GROUP BY system_name
) AS m USING (system_name)
LEFT JOIN (
    SELECT system_name, count(*) FILTER (WHERE seen_at > now() - interval '30 seconds') AS alive,
        count(*) FILTER (WHERE seen_at <= now() - interval '30 seconds') AS silent, max(waits_for) AS waits_for
    FROM integ.workers WHERE state <> 'stopped' AND seen_at > now() - interval '1 day' GROUP BY system_name
) AS w USING (system_name);
COMMENT ON VIEW integ.health_base IS 'How each base is treated now: breaker, pause, calls on their way (in_use), workers; quiet hours are a setting';

CREATE VIEW integ.health_calls AS
SELECT
    system_name, resource, sum(calls)::bigint AS calls, coalesce(sum(calls) FILTER (WHERE error_code <> ''), 0)::bigint AS errors,
    sum(repeats)::bigint AS repeats, sum(seconds) AS seconds, sum(waited) AS waited, sum(seconds) / sum(calls) AS average_seconds,
    integ.bucket_quantile(integ.sum_buckets(buckets), 0.95) AS p95_seconds, max(slowest) AS slowest_seconds,
    sum(wire_bytes)::bigint AS wire_bytes, integ.sum_buckets(buckets) AS buckets
FROM integ.calls WHERE minute > now() - interval '1 day' GROUP BY system_name, resource;
COMMENT ON VIEW integ.health_calls IS 'Calls of the last day by resource; p95_seconds is the upper edge of a bucket';

CREATE VIEW integ.health_call_minutes AS
SELECT
    system_name, date_bin('10 minutes', minute, 'epoch') AS at, sum(calls)::bigint AS calls,
    coalesce(sum(calls) FILTER (WHERE error_code <> ''), 0)::bigint AS errors, sum(seconds) AS seconds, sum(wire_bytes)::bigint AS wire_bytes
FROM integ.calls WHERE minute > now() - interval '1 day' GROUP BY 1, 2;

CREATE VIEW integ.health_quarantine AS
SELECT
    q.system_name, q.entity_type, count(*) AS open, count(*) FILTER (WHERE q.first_seen_at > now() - interval '1 day') AS new_day,
    min(q.first_seen_at) AS oldest_at,
    mode() WITHIN GROUP (ORDER BY concat_ws(': ', q.failures -> 0 ->> 'field', q.failures -> 0 ->> 'rule')) AS commonest
FROM clean.quarantine AS q WHERE q.resolved_at IS NULL GROUP BY q.system_name, q.entity_type;

CREATE VIEW integ.health_schema AS
SELECT DISTINCT ON (v.system_name)
    v.system_name, v.fetched_at AS changed_at, v.confirmed_at,
    extract(epoch FROM now() - v.confirmed_at)::double precision AS age_seconds,
    count(*) OVER (PARTITION BY v.system_name) AS versions, v.reported_at IS NOT NULL AS reported,
    ARRAY(
        SELECT e.entity_type FROM integ.health_entities AS e WHERE e.system_name = v.system_name AND e.status = 'failed'
            AND e.error_code IN ('ONEC_NOT_PUBLISHED', 'ONEC_COLUMN_MISSING', 'ONEC_COLUMN_RETYPED', 'ONEC_KEY_UNKNOWN')
    ) AS broken_entities
FROM integ.schema_versions AS v ORDER BY v.system_name, v.id DESC;
COMMENT ON VIEW integ.health_schema IS 'What is known of $metadata: since when it means what it means now, when that was last confirmed, who it stops';

CREATE VIEW integ.health_changes AS
SELECT
    n.system_name, n.plan, n.code AS node, n.drained_at, extract(epoch FROM now() - n.drained_at)::double precision AS drained_seconds_ago,
    n.failures, n.stuck_since, n.stuck_error ->> 'code' AS stuck_code,
    (SELECT count(*) FROM raw.packets AS p
        WHERE p.system_name = n.system_name AND p.plan = n.plan AND p.node_ref = n.node_ref AND p.acknowledged_at IS NULL) AS unacknowledged
FROM integ.exchange_nodes AS n;

CREATE VIEW integ.health_approvals AS
SELECT id, system_name, entity_type, created_at, held_runs, last_held_at, extract(epoch FROM now() - created_at)::double precision AS age_seconds
FROM integ.approvals WHERE state = 'pending';

CREATE VIEW integ.health_alerts AS
SELECT
    id, system_name, kind, code, severity, facts ->> 'entity' AS entity_type, since, occurrences, acknowledged_at, escalated_at,
    extract(epoch FROM now() - since)::double precision AS age_seconds
FROM integ.alerts WHERE resolved_at IS NULL;
COMMENT ON VIEW integ.health_alerts IS 'What is wrong now, without the words';

CREATE VIEW integ.health_webhooks AS
SELECT system_name, name, sum(count)::bigint AS count FROM integ.webhook_counts
WHERE day >= current_date - 1 GROUP BY system_name, name;
COMMENT ON VIEW integ.health_webhooks IS 'Answers of the receiver, today and yesterday';

-- What is shown of runs stays quick with a million of them in the table, and retention has the indexes that it needs (docs/health.md).

-- The newest run that confirmed the shop's state; the last good one, from which failures in a row are counted; what runs now; by time.
CREATE INDEX sync_jobs_confirmed ON integ.sync_jobs (system_name, entity_type, started_at DESC)
    WHERE job_type = 'inbound' AND status = 'succeeded' AND coalesce(metadata ->> 'way', '') NOT IN ('', 'keys')
        AND coalesce(metadata #> '{seconds,shop}', 'null') <> 'null';
CREATE INDEX sync_jobs_good ON integ.sync_jobs (system_name, entity_type, id DESC)
    WHERE status IN ('succeeded', 'skipped', 'held') AND job_type <> 'dry_run';
CREATE INDEX sync_jobs_running ON integ.sync_jobs (system_name, entity_type) WHERE status = 'running';
CREATE INDEX sync_jobs_failed ON integ.sync_jobs (completed_at) WHERE status = 'failed';
CREATE INDEX sync_jobs_started ON integ.sync_jobs (started_at);

-- Hops from name to name in the index, where DISTINCT would read all runs.
CREATE VIEW integ.known_entities AS
WITH RECURSIVE hop AS (
    (SELECT system_name, entity_type FROM integ.sync_jobs ORDER BY system_name, entity_type LIMIT 1)
    UNION ALL
    SELECT n.system_name, n.entity_type FROM hop AS h CROSS JOIN LATERAL (
        SELECT j.system_name, j.entity_type FROM integ.sync_jobs AS j
        WHERE (j.system_name, j.entity_type) > (h.system_name, h.entity_type)
        ORDER BY j.system_name, j.entity_type LIMIT 1
    ) AS n
)
SELECT system_name, entity_type FROM hop;
COMMENT ON VIEW integ.known_entities IS 'Every entity that ever ran, by base';

CREATE OR REPLACE VIEW integ.health_entities AS
WITH day AS (
    SELECT system_name, entity_type,
        count(*) FILTER (WHERE status <> 'running') AS runs,
        count(*) FILTER (WHERE status IN ('failed', 'abandoned')) AS failed,
        sum(requests) AS requests, sum(wire_bytes) AS wire_bytes, sum(rows_changed) AS rows_changed,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) FILTER (WHERE status = 'succeeded') AS median_seconds,
        max(seconds) FILTER (WHERE status = 'succeeded') AS worst_seconds
    FROM integ.health_runs WHERE started_at > now() - interval '1 day' GROUP BY system_name, entity_type
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
    f.in_a_row AS failures_in_a_row, f.since AS failing_since,
    coalesce(d.runs, 0) AS runs_day, coalesce(d.failed, 0) AS failed_day,
    coalesce(d.requests, 0)::bigint AS requests_day, coalesce(d.wire_bytes, 0)::bigint AS wire_bytes_day,
    coalesce(d.rows_changed, 0)::bigint AS rows_changed_day, d.median_seconds, d.worst_seconds,
    coalesce(q.open, 0) AS quarantined, coalesce(w.open, 0) AS waiting_references, coalesce(h.open, 0) AS held_loads
FROM integ.known_entities AS k
CROSS JOIN LATERAL (
    SELECT * FROM integ.health_runs AS r WHERE r.system_name = k.system_name AND r.entity_type = k.entity_type ORDER BY r.id DESC LIMIT 1
) AS l
LEFT JOIN LATERAL (
    SELECT r.started_at AS confirmed_at FROM integ.health_runs AS r
    WHERE r.system_name = k.system_name AND r.entity_type = k.entity_type AND r.confirms ORDER BY r.started_at DESC LIMIT 1
) AS c ON true
LEFT JOIN LATERAL (
    SELECT g.id FROM integ.sync_jobs AS g
    WHERE g.system_name = k.system_name AND g.entity_type = k.entity_type
        AND g.status IN ('succeeded', 'skipped', 'held') AND g.job_type <> 'dry_run' ORDER BY g.id DESC LIMIT 1
) AS good ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS in_a_row, min(r.started_at) AS since FROM integ.health_runs AS r
    WHERE r.system_name = k.system_name AND r.entity_type = k.entity_type
        AND r.status IN ('failed', 'abandoned') AND r.id > coalesce(good.id, 0)
) AS f
LEFT JOIN day AS d ON d.system_name = k.system_name AND d.entity_type = k.entity_type
LEFT JOIN quarantined AS q ON q.system_name = k.system_name AND q.entity_type = k.entity_type
LEFT JOIN waiting AS w ON w.system_name = k.system_name AND w.entity_type = k.entity_type
LEFT JOIN held AS h ON h.system_name = k.system_name AND h.entity_type = k.entity_type;

CREATE OR REPLACE VIEW integ.health_base AS
SELECT
    b.system_name, coalesce(t.breaker, 'closed') AS breaker, t.opened_at, t.retry_at, t.cause ->> 'code' AS cause_code,
    t.paused_at, t.paused_until, t.pause_reason, t.paused_at IS NOT NULL AND (t.paused_until IS NULL OR t.paused_until > now()) AS paused,
    t.allowed, t.tokens, coalesce(m.in_use, 0) AS in_use, coalesce(m.waiting, 0) AS waiting,
    coalesce(w.alive, 0) AS workers, coalesce(w.silent, 0) AS silent_workers, w.waits_for
FROM (
    SELECT system_name FROM integ.throttle UNION SELECT system_name FROM integ.known_entities
    UNION SELECT system_name FROM integ.workers
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

-- The entities that a version stops are looked for once a base, not once a version.
CREATE OR REPLACE VIEW integ.health_schema AS
SELECT
    v.system_name, v.changed_at, v.confirmed_at, extract(epoch FROM now() - v.confirmed_at)::double precision AS age_seconds,
    v.versions, v.reported,
    ARRAY(
        SELECT e.entity_type FROM integ.health_entities AS e WHERE e.system_name = v.system_name AND e.status = 'failed'
            AND e.error_code IN ('ONEC_NOT_PUBLISHED', 'ONEC_COLUMN_MISSING', 'ONEC_COLUMN_RETYPED', 'ONEC_KEY_UNKNOWN')
    ) AS broken_entities
FROM (
    SELECT DISTINCT ON (system_name)
        system_name, fetched_at AS changed_at, confirmed_at, count(*) OVER (PARTITION BY system_name) AS versions,
        reported_at IS NOT NULL AS reported
    FROM integ.schema_versions ORDER BY system_name, id DESC
) AS v;

-- Sums by place: the aggregate sum_buckets calls a function for every row, which takes seconds for a day of calls.
CREATE OR REPLACE VIEW integ.health_calls AS
SELECT
    system_name, resource, calls, errors, repeats, seconds, waited, seconds / calls AS average_seconds,
    integ.bucket_quantile(buckets, 0.95) AS p95_seconds, slowest_seconds, wire_bytes, buckets
FROM (
    SELECT
        system_name, resource, sum(calls)::bigint AS calls, coalesce(sum(calls) FILTER (WHERE error_code <> ''), 0)::bigint AS errors,
        sum(repeats)::bigint AS repeats, sum(seconds) AS seconds, sum(waited) AS waited, max(slowest) AS slowest_seconds,
        sum(wire_bytes)::bigint AS wire_bytes,
        ARRAY[sum(buckets[1]), sum(buckets[2]), sum(buckets[3]), sum(buckets[4]), sum(buckets[5]), sum(buckets[6]), sum(buckets[7]),
            sum(buckets[8]), sum(buckets[9]), sum(buckets[10]), sum(buckets[11])]::integer[] AS buckets
    FROM integ.calls WHERE minute > now() - interval '1 day' GROUP BY system_name, resource
) AS day;

-- What /metrics shows: sums that only grow, whatever retention takes out of integ.calls.
CREATE TABLE integ.call_totals (
    system_name text NOT NULL,
    resource text NOT NULL,
    error_code text NOT NULL,
    calls bigint NOT NULL,
    seconds double precision NOT NULL,
    waited double precision NOT NULL,
    wire_bytes bigint NOT NULL,
    buckets integer[] NOT NULL,
    PRIMARY KEY (system_name, resource, error_code)
)
WITH (fillfactor = 70);
COMMENT ON TABLE integ.call_totals IS 'All calls that were ever noted, by resource and code; buckets as in integ.calls';
INSERT INTO integ.call_totals (system_name, resource, error_code, calls, seconds, waited, wire_bytes, buckets)
SELECT system_name, resource, error_code, sum(calls), sum(seconds), sum(waited), sum(wire_bytes),
    ARRAY[sum(buckets[1]), sum(buckets[2]), sum(buckets[3]), sum(buckets[4]), sum(buckets[5]), sum(buckets[6]), sum(buckets[7]),
        sum(buckets[8]), sum(buckets[9]), sum(buckets[10]), sum(buckets[11])]::integer[]
FROM integ.calls GROUP BY system_name, resource, error_code;

-- What retention looks for.
CREATE INDEX alerts_resolved ON integ.alerts (resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX quarantine_resolved ON clean.quarantine (resolved_at) WHERE resolved_at IS NOT NULL;

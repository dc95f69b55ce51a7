-- How old the data was, hour by hour, for the dashboard (docs/health.md); freshness is judged by the ledger alone (docs/quality.md).
CREATE VIEW integ.health_lag_hours AS
SELECT k.system_name, k.entity_type, h.at, extract(epoch FROM h.until - c.started_at)::double precision AS lag_seconds
FROM (SELECT DISTINCT system_name, entity_type FROM integ.health_entities) AS k
CROSS JOIN (
    SELECT at, least(at + interval '1 hour', now()) AS until
    FROM generate_series(date_trunc('hour', now()) - interval '23 hours', date_trunc('hour', now()), interval '1 hour') AS at
) AS h
CROSS JOIN LATERAL (
    SELECT r.started_at FROM integ.health_runs AS r
    WHERE r.system_name = k.system_name AND r.entity_type = k.entity_type AND r.confirms
        AND r.started_at <= h.until AND r.completed_at <= h.until
    ORDER BY r.started_at DESC LIMIT 1
) AS c;
COMMENT ON VIEW integ.health_lag_hours IS
    'How old the newest confirmed state of each entity was at the end of each of the last 24 hours (now, for this one)';

-- Open alerts of freshness came from Dagster's log until now; the ledger tells their end.
UPDATE integ.alerts SET source = 'ledger' WHERE fingerprint = 'freshness:assets' AND resolved_at IS NULL;

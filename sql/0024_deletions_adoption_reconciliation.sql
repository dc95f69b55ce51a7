-- What was deleted and came back, which ids were there before 1C, and how the shop compares with 1C.

-- One row per deletion: the clean row itself forgets it when the object comes back.
CREATE TABLE integ.deletion_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    entity_type text NOT NULL,
    row_key uuid NOT NULL,
    why text NOT NULL,
    deleted_at timestamptz NOT NULL,
    job_id bigint NOT NULL,
    restored_at timestamptz,
    restored_job_id bigint
);
CREATE INDEX deletion_log_row ON integ.deletion_log (system_name, entity_type, row_key);
CREATE INDEX deletion_log_at ON integ.deletion_log (system_name, deleted_at DESC);
COMMENT ON TABLE integ.deletion_log IS
    'Written by triggers on the clean tables; why = mark (deletion mark in 1C), absent (gone from 1C), tombstone or moved (packets)';

CREATE FUNCTION integ.note_deletion() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    is_mark CONSTANT boolean := TG_ARGV[0] = 'mark';
    is_gone CONSTANT boolean := TG_ARGV[1] = 'gone';
    reason CONSTANT text := CASE WHEN is_mark THEN 'mark' ELSE coalesce(NEW.deleted_why, 'absent') END;
BEGIN
    IF is_gone THEN
        INSERT INTO integ.deletion_log (system_name, entity_type, row_key, why, deleted_at, job_id)
        VALUES (NEW.system_name, TG_TABLE_NAME, NEW.row_key, reason, now(), NEW.changed_in);
    ELSE
        UPDATE integ.deletion_log
        SET restored_at = now(), restored_job_id = NEW.changed_in
        WHERE system_name = NEW.system_name AND entity_type = TG_TABLE_NAME AND row_key = NEW.row_key
            AND restored_at IS NULL AND (why = 'mark') = is_mark;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION integ.watch_deletions(watched regclass) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    name CONSTANT text := (SELECT relname FROM pg_class WHERE oid = watched);
    has_mark CONSTANT boolean := EXISTS (
        SELECT FROM pg_attribute WHERE attrelid = watched AND attname = 'deletion_mark' AND NOT attisdropped
    );
BEGIN
    EXECUTE format(
        'CREATE TRIGGER deletions_gone AFTER UPDATE ON %1$s FOR EACH ROW'
        ' WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL)'
        ' EXECUTE FUNCTION integ.note_deletion(''absent'', ''gone'')', watched);
    EXECUTE format(
        'CREATE TRIGGER deletions_back AFTER UPDATE ON %1$s FOR EACH ROW'
        ' WHEN (OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL)'
        ' EXECUTE FUNCTION integ.note_deletion(''absent'', ''back'')', watched);
    EXECUTE format(
        'INSERT INTO integ.deletion_log (system_name, entity_type, row_key, why, deleted_at, job_id)'
        ' SELECT system_name, %2$L, row_key, coalesce(deleted_why, ''absent''), deleted_at, changed_in FROM %1$s'
        ' WHERE deleted_at IS NOT NULL', watched, name);
    IF NOT has_mark THEN
        RETURN;
    END IF;
    EXECUTE format(
        'CREATE TRIGGER deletions_marked_first AFTER INSERT ON %1$s FOR EACH ROW WHEN (NEW.deletion_mark)'
        ' EXECUTE FUNCTION integ.note_deletion(''mark'', ''gone'')', watched);
    EXECUTE format(
        'CREATE TRIGGER deletions_marked AFTER UPDATE ON %1$s FOR EACH ROW'
        ' WHEN (NEW.deletion_mark AND NOT OLD.deletion_mark)'
        ' EXECUTE FUNCTION integ.note_deletion(''mark'', ''gone'')', watched);
    EXECUTE format(
        'CREATE TRIGGER deletions_unmarked AFTER UPDATE ON %1$s FOR EACH ROW'
        ' WHEN (OLD.deletion_mark AND NOT NEW.deletion_mark)'
        ' EXECUTE FUNCTION integ.note_deletion(''mark'', ''back'')', watched);
    EXECUTE format(
        'INSERT INTO integ.deletion_log (system_name, entity_type, row_key, why, deleted_at, job_id)'
        ' SELECT system_name, %2$L, row_key, ''mark'', changed_at, changed_in FROM %1$s WHERE deletion_mark',
        watched, name);
END
$$;
COMMENT ON FUNCTION integ.watch_deletions IS
    'Call it for every new clean table, but not for balances: there absence is the way in which 1C says zero (PROTOCOL 6)';

SELECT integ.watch_deletions(c.oid::regclass)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'clean' AND c.relkind = 'r' AND c.relname NOT IN ('stock', 'reserves', 'loyalty_balances')
    AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'deleted_why');

CREATE VIEW integ.deletions AS
SELECT
    l.id, l.system_name, l.entity_type, l.row_key AS external_id, m.internal_id, l.why, l.deleted_at, l.job_id,
    j.job_type, j.run_id, l.restored_at, l.restored_job_id, l.restored_at IS NULL AS is_deleted
FROM integ.deletion_log AS l
LEFT JOIN integ.external_id_mappings AS m
    ON m.system_name = l.system_name AND m.entity_type = l.entity_type AND m.external_id = l.row_key
LEFT JOIN integ.sync_jobs AS j ON j.id = l.job_id;
COMMENT ON VIEW integ.deletions IS
    'What 1C deleted, why, when, noticed by which job, and whether it came back; the shop keeps the row with is_deleted';

ALTER TABLE integ.external_id_mappings ADD COLUMN is_adopted boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN integ.external_id_mappings.is_adopted IS
    'The shop''s row was there before 1C''s object came, and was recognised by its natural key';

CREATE TABLE integ.reconciliation (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    entity_type text NOT NULL,
    run_id text,
    status text NOT NULL CHECK (status IN ('same', 'drift', 'repaired', 'skipped', 'failed')),
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rows_asked bigint NOT NULL,
    rows_compared bigint NOT NULL,
    rows_late bigint NOT NULL,
    rows_drift bigint NOT NULL,
    rows_repaired bigint NOT NULL,
    rows_left bigint NOT NULL,
    totals jsonb NOT NULL DEFAULT '[]',
    differences jsonb NOT NULL DEFAULT '[]',
    message text
);
CREATE INDEX reconciliation_latest ON integ.reconciliation (system_name, entity_type, id DESC);
COMMENT ON TABLE integ.reconciliation IS
    'Comparisons with 1C. late = 1C was ahead and the next sync brought it; drift = it did not; left = drift that is there still';
COMMENT ON COLUMN integ.reconciliation.differences IS 'The first of them: key, where, what, names of columns; never values';

CREATE VIEW integ.drift AS
SELECT DISTINCT ON (system_name, entity_type)
    system_name, entity_type, status, finished_at, rows_compared, rows_late, rows_drift, rows_repaired, rows_left
FROM integ.reconciliation
WHERE status <> 'skipped'
ORDER BY system_name, entity_type, id DESC;
COMMENT ON VIEW integ.drift IS 'The last comparison of each entity with 1C, for metrics: rows_left is what is wrong now';

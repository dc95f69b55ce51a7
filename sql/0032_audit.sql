-- The audit log by month, and what the database needs to keep it honest: append-only, months made ahead, old months dropped whole.
ALTER TABLE integ.audit_log RENAME TO audit_log_before;
ALTER INDEX integ.audit_log_at RENAME TO audit_log_before_at;
ALTER TABLE integ.audit_log_before RENAME CONSTRAINT audit_log_pkey TO audit_log_before_pkey;

CREATE SEQUENCE integ.audit_log_ids AS bigint;
CREATE TABLE integ.audit_log (
    id bigint NOT NULL DEFAULT nextval('integ.audit_log_ids'),
    at timestamptz NOT NULL DEFAULT now(),
    system_name text NOT NULL,
    entity_type text,
    job_id bigint,
    action text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
ALTER SEQUENCE integ.audit_log_ids OWNED BY integ.audit_log.id;
CREATE INDEX audit_log_at ON integ.audit_log (at);
CREATE INDEX audit_log_job ON integ.audit_log (job_id) WHERE job_id IS NOT NULL;
CREATE TABLE integ.audit_log_default PARTITION OF integ.audit_log DEFAULT;
COMMENT ON TABLE integ.audit_log IS
    'Append-only, by month (UTC); ids, hashes, counts and codes, never personal data. docs/audit.md';
COMMENT ON TABLE integ.audit_log_default IS 'Events of months that nobody had made a partition for; integ.keep_audit moves them';

CREATE FUNCTION integ.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'integ.audit_log is append-only' USING ERRCODE = 'insufficient_privilege',
        HINT = 'Whole months are removed by integ.keep_audit, after ONEC_AUDIT_KEEP_MONTHS.';
END
$$;
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON integ.audit_log
    FOR EACH ROW EXECUTE FUNCTION integ.refuse_audit_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON integ.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION integ.refuse_audit_change();
CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON integ.audit_log_default
    FOR EACH STATEMENT EXECUTE FUNCTION integ.refuse_audit_change();
REVOKE UPDATE, DELETE, TRUNCATE ON integ.audit_log, integ.audit_log_default FROM PUBLIC;

-- Makes the partition of the month that holds `moment`; rows of it that went into the default partition move. Gives whether it was new.
CREATE FUNCTION integ.make_audit_month(moment timestamptz) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first_day CONSTANT timestamptz := date_trunc('month', moment, 'UTC');
    next_month CONSTANT timestamptz := date_trunc('month', first_day + interval '40 days', 'UTC');
    name CONSTANT text := 'audit_log_' || to_char(first_day AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('onec:audit_months', 0));
    IF to_regclass('integ.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE integ.%I (LIKE integ.audit_log INCLUDING DEFAULTS)', name);
    IF EXISTS (SELECT FROM integ.audit_log_default d WHERE d.at >= first_day AND d.at < next_month) THEN
        -- Only the owner of the table may do this: it is the permission that guards the log.
        ALTER TABLE integ.audit_log_default DISABLE TRIGGER audit_log_append_only;
        EXECUTE format('WITH moved AS (DELETE FROM integ.audit_log_default WHERE at >= $1 AND at < $2 RETURNING *)'
            ' INSERT INTO integ.%I SELECT * FROM moved', name) USING first_day, next_month;
        ALTER TABLE integ.audit_log_default ENABLE TRIGGER audit_log_append_only;
    END IF;
    EXECUTE format('ALTER TABLE integ.audit_log ATTACH PARTITION integ.%I FOR VALUES FROM (%L) TO (%L)',
        name, first_day, next_month);
    EXECUTE format('CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON integ.%I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION integ.refuse_audit_change()', name);
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON integ.%I FROM PUBLIC', name);
    RETURN true;
END
$$;

-- Makes this month and the next ones, drops months that ended more than `keep_months` months ago. Gives how many were made and dropped.
CREATE FUNCTION integ.keep_audit(keep_months integer, ahead integer DEFAULT 3, OUT made integer, OUT dropped integer)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month timestamptz := date_trunc('month', now(), 'UTC');
    oldest CONSTANT text := 'audit_log_'
        || to_char(date_trunc('month', now(), 'UTC') AT TIME ZONE 'UTC' - make_interval(months => keep_months), 'YYYY_MM');
    part text;
BEGIN
    made := 0;
    dropped := 0;
    FOR step IN 0..ahead LOOP
        IF integ.make_audit_month(month) THEN
            made := made + 1;
        END IF;
        month := date_trunc('month', month + interval '40 days', 'UTC');
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'integ.audit_log'::regclass AND c.relname ~ '^audit_log_[0-9]{4}_[0-9]{2}$' AND c.relname < oldest
    LOOP
        EXECUTE format('DROP TABLE integ.%I', part);
        dropped := dropped + 1;
    END LOOP;
END
$$;
COMMENT ON FUNCTION integ.keep_audit IS 'Partitions of the audit log: the coming months, and no longer than keep_months whole months back';

SELECT integ.make_audit_month(m) FROM (
    SELECT DISTINCT date_trunc('month', at, 'UTC') AS m FROM integ.audit_log_before
) AS months ORDER BY m;
SELECT integ.keep_audit(1200);
INSERT INTO integ.audit_log (id, at, system_name, entity_type, job_id, action, details)
SELECT id, at, system_name, entity_type, job_id, action, details FROM integ.audit_log_before ORDER BY id;
SELECT setval('integ.audit_log_ids', greatest((SELECT max(id) FROM integ.audit_log), 1),
    EXISTS (SELECT FROM integ.audit_log));
DROP TABLE integ.audit_log_before;

-- Hashes of personal values are made with a secret of the base, so that nobody finds a telephone number by hashing all of them.
CREATE TABLE integ.salts (
    system_name text PRIMARY KEY,
    salt bytea NOT NULL DEFAULT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'),
    created_at timestamptz NOT NULL DEFAULT now()
);
REVOKE ALL ON integ.salts FROM PUBLIC;
COMMENT ON TABLE integ.salts IS 'One random secret a base, for hashes of personal values';

-- Who asked to be forgotten. Ids only: of the person nothing is left but these.
CREATE TABLE integ.forgotten (
    system_name text NOT NULL,
    entity_type text NOT NULL,
    row_key uuid NOT NULL,
    internal_id bigint,
    forgotten_at timestamptz NOT NULL DEFAULT now(),
    forgotten_by text NOT NULL,
    PRIMARY KEY (system_name, entity_type, row_key)
);
COMMENT ON TABLE integ.forgotten IS
    'Objects of 1C whose personal fields stay empty whatever 1C sends, until `onec remember` (docs/audit.md)';

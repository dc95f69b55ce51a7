-- Hashes of what the application wrote are keyed with a secret of this installation: a plain hash of a telephone number or a name is
-- undone by trying them all. And an event that revives a dead push gives it back all of its patience.

CREATE TABLE integ.secrets (
    name text PRIMARY KEY,
    value bytea NOT NULL CHECK (length(value) >= 16),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE integ.secrets IS 'Random values made by this database, never shown; print_key keys the hashes of personal values in the outbox and push_objects';
REVOKE ALL ON integ.secrets FROM PUBLIC;
INSERT INTO integ.secrets (name, value)
VALUES ('print_key', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- What is keyed is itself a digest of fixed length, so that the simple form is safe, and what was stored before can be keyed too.
CREATE FUNCTION integ.keyed(digest bytea) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT sha256(value || digest) FROM integ.secrets WHERE name = 'print_key'
$$;
COMMENT ON FUNCTION integ.keyed IS 'The digest of a digest under this installation''s secret';
REVOKE ALL ON FUNCTION integ.keyed FROM PUBLIC;

CREATE OR REPLACE FUNCTION integ.note_event(
    store_code text, what text, object_id bigint, content jsonb, first_event text, next_event text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base text;
    hash bytea := integ.keyed(sha256(convert_to(content::text, 'UTF8')));
    last_version integer;
    last_hash bytea;
    event text;
    item_id bigint;
    event_id bigint;
BEGIN
    SELECT system_name INTO STRICT base FROM shop.stores WHERE code = store_code;
    SELECT version, payload_hash INTO last_version, last_hash FROM integ.outbox
    WHERE aggregate = what AND aggregate_id = object_id ORDER BY version DESC LIMIT 1;
    IF last_hash = hash THEN
        RETURN NULL;
    END IF;
    event := CASE WHEN last_version IS NULL THEN first_event ELSE next_event END;
    -- A push that died keeps its place in the queue; what the application changed may be just what it died of.
    UPDATE integ.retry_queue
    SET state = 'ready', attempts = 0, lost_leases = 0, delays = 0, lease_token = NULL, lease_until = NULL,
        run_at = now(), updated_at = now(), finished_at = NULL
    WHERE system_name = base AND ordering_key = what || ':' || object_id AND kind = 'push' AND state = 'dead';
    item_id := integ.enqueue(
        base, 'push', what || ':' || object_id, what || ':' || object_id,
        jsonb_build_object('event', event, 'aggregate', what, 'id', object_id, 'version', coalesce(last_version, 0) + 1)
    );
    INSERT INTO integ.outbox (system_name, store, event_type, aggregate, aggregate_id, version, payload_hash, queue_id)
    VALUES (base, store_code, event, what, object_id, coalesce(last_version, 0) + 1, hash, item_id)
    RETURNING id INTO event_id;
    RETURN event_id;
END
$$;

-- What is stored already: the same digests, keyed. Prints of personal values are '#' and the first 16 digits of their digest.
UPDATE integ.outbox SET payload_hash = integ.keyed(payload_hash) WHERE length(payload_hash) = 32;
UPDATE integ.push_objects SET payload_hash = integ.keyed(payload_hash) WHERE length(payload_hash) = 32;
CREATE FUNCTION pg_temp.rekeyed(prints jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    told text := prints::text;
    old text;
BEGIN
    FOR old IN SELECT DISTINCT hit[1] FROM regexp_matches(told, '"#([0-9a-f]{16})"', 'g') AS hit LOOP
        told := replace(told, '"#' || old || '"', '"#' || left(encode(integ.keyed(decode(old, 'hex')), 'hex'), 16) || '"');
    END LOOP;
    RETURN told::jsonb;
END
$$;
UPDATE integ.push_objects SET intended = pg_temp.rekeyed(intended), confirmed = pg_temp.rekeyed(confirmed)
WHERE intended::text ~ '"#[0-9a-f]{16}"' OR confirmed::text ~ '"#[0-9a-f]{16}"';
DROP FUNCTION pg_temp.rekeyed(jsonb);

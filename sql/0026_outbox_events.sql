-- From the application's rows to the outbox and the queue, in the application's own transaction. Constraint triggers run at its end, so
-- that an order with ten lines is one event, and a transaction that changes nothing that matters is none.

CREATE FUNCTION integ.note_event(
    store_code text, what text, object_id bigint, content jsonb, first_event text, next_event text
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    base text;
    hash bytea := sha256(convert_to(content::text, 'UTF8'));
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
    SET state = 'ready', attempts = 0, run_at = now(), updated_at = now(), finished_at = NULL
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
COMMENT ON FUNCTION integ.note_event IS 'One outbox event and one queue item, if the content differs from that of the last event; gives its id or NULL';

CREATE FUNCTION integ.note_order(wanted bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    web_order shop.web_orders;
    content jsonb;
    cancelled boolean;
BEGIN
    -- The lock puts the events of one order in one order, whoever changes it at the same time.
    SELECT * INTO web_order FROM shop.web_orders WHERE id = wanted FOR UPDATE;
    IF web_order.id IS NULL OR web_order.status = 'draft' THEN
        RETURN NULL;
    END IF;
    content := to_jsonb(web_order) - '{created_at,updated_at}'::text[] || jsonb_build_object(
        'lines', (SELECT jsonb_agg(to_jsonb(l) - 'id' ORDER BY l.line_code) FROM shop.web_order_lines AS l WHERE l.order_id = wanted),
        'payments', (SELECT jsonb_agg(to_jsonb(p) ORDER BY p.id) FROM shop.web_order_payments AS p WHERE p.order_id = wanted)
    );
    cancelled := EXISTS (
        SELECT FROM shop.web_cancellations AS c WHERE c.order_id = wanted AND c.created_at > (
            SELECT max(o.created_at) FROM integ.outbox AS o WHERE o.aggregate = 'order' AND o.aggregate_id = wanted
        )
    );
    RETURN integ.note_event(
        web_order.store, 'order', wanted, content, 'order_created',
        CASE WHEN cancelled OR web_order.status = 'cancelled' THEN 'order_cancelled' ELSE 'order_changed' END
    );
END
$$;

CREATE FUNCTION integ.note_customer(wanted bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    customer shop.web_customers;
BEGIN
    SELECT * INTO customer FROM shop.web_customers WHERE id = wanted FOR UPDATE;
    IF customer.id IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN integ.note_event(
        customer.store, 'customer', wanted, to_jsonb(customer) - '{created_at,updated_at}'::text[],
        'customer_created', 'customer_changed'
    );
END
$$;

CREATE FUNCTION integ.note_return(wanted bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    request shop.web_returns;
BEGIN
    SELECT * INTO request FROM shop.web_returns WHERE id = wanted FOR UPDATE;
    IF request.id IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN integ.note_event(
        request.store, 'return', wanted,
        to_jsonb(request) - '{created_at,updated_at}'::text[] || jsonb_build_object(
            'lines',
            (SELECT jsonb_agg(to_jsonb(l) - 'id' ORDER BY l.line_code) FROM shop.web_return_lines AS l WHERE l.return_id = wanted)
        ),
        'return_requested', 'return_requested'
    );
END
$$;

CREATE FUNCTION integ.web_order_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM integ.note_order(coalesce(NEW.id, OLD.id));
    RETURN NULL;
END
$$;
CREATE FUNCTION integ.web_order_part_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM integ.note_order(coalesce(NEW.order_id, OLD.order_id));
    RETURN NULL;
END
$$;
CREATE FUNCTION integ.web_customer_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM integ.note_customer(NEW.id);
    RETURN NULL;
END
$$;
CREATE FUNCTION integ.web_return_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM integ.note_return(NEW.id);
    RETURN NULL;
END
$$;
CREATE FUNCTION integ.web_return_line_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM integ.note_return(coalesce(NEW.return_id, OLD.return_id));
    RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER outbox AFTER INSERT OR UPDATE ON shop.web_orders
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION integ.web_order_changed();
CREATE CONSTRAINT TRIGGER outbox AFTER INSERT OR UPDATE OR DELETE ON shop.web_order_lines
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION integ.web_order_part_changed();
CREATE CONSTRAINT TRIGGER outbox AFTER INSERT OR UPDATE OR DELETE ON shop.web_order_payments
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION integ.web_order_part_changed();
CREATE CONSTRAINT TRIGGER outbox AFTER INSERT OR UPDATE ON shop.web_customers
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION integ.web_customer_changed();
CREATE CONSTRAINT TRIGGER outbox AFTER INSERT OR UPDATE ON shop.web_returns
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION integ.web_return_changed();
CREATE CONSTRAINT TRIGGER outbox AFTER INSERT OR UPDATE OR DELETE ON shop.web_return_lines
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION integ.web_return_line_changed();

-- Numbers of lines that nobody gave, and cancellations that become the state of what they cancel.
CREATE FUNCTION integ.number_web_line() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.line_code IS NULL AND TG_TABLE_NAME = 'web_order_lines' THEN
        SELECT coalesce(max(line_code), 0) + 1 INTO NEW.line_code FROM shop.web_order_lines WHERE order_id = NEW.order_id;
    ELSIF NEW.line_code IS NULL THEN
        SELECT coalesce(max(line_code), 0) + 1 INTO NEW.line_code FROM shop.web_return_lines WHERE return_id = NEW.return_id;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER number_line BEFORE INSERT ON shop.web_order_lines FOR EACH ROW EXECUTE FUNCTION integ.number_web_line();
CREATE TRIGGER number_line BEFORE INSERT ON shop.web_return_lines FOR EACH ROW EXECUTE FUNCTION integ.number_web_line();

CREATE FUNCTION integ.apply_web_cancellation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE shop.web_order_lines SET is_cancelled = true, cancel_reason = NEW.reason
    WHERE order_id = NEW.order_id AND (NEW.line_id IS NULL OR id = NEW.line_id) AND NOT is_cancelled;
    IF NEW.line_id IS NULL OR NOT EXISTS (SELECT FROM shop.web_order_lines WHERE order_id = NEW.order_id AND NOT is_cancelled) THEN
        UPDATE shop.web_orders SET status = 'cancelled', updated_at = now() WHERE id = NEW.order_id AND status <> 'cancelled';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER apply AFTER INSERT ON shop.web_cancellations FOR EACH ROW EXECUTE FUNCTION integ.apply_web_cancellation();

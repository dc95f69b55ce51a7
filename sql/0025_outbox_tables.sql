-- What the application writes: orders, customers, returns, cancellations; and what the push remembers of each object it makes.
-- The contract for the application is docs/outbox.md.

-- Ids come from the sequence of the table that 1C's view of the same thing lives in, so that both rows have one id.
CREATE FUNCTION integ.next_shop_id(table_name text) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT nextval(pg_get_serial_sequence(table_name, 'id')::regclass)
$$;
COMMENT ON FUNCTION integ.next_shop_id IS 'The next id of a shop table whose ids are shared with what the application creates';

CREATE TABLE shop.stores (
    code text PRIMARY KEY CHECK (code ~ '^[a-z0-9_-]{1,40}$'),
    system_name text NOT NULL,
    title text,
    defaults jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(defaults) = 'object'),
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE shop.stores IS 'Which 1C base a store of the application sells through, and its own defaults for orders (ONEC_ORDER_* without the prefix)';

CREATE TABLE shop.web_customers (
    id bigint PRIMARY KEY DEFAULT integ.next_shop_id('shop.customers'),
    store text NOT NULL DEFAULT 'main' REFERENCES shop.stores (code),
    kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'company', 'entrepreneur')),
    name text NOT NULL CHECK (name <> ''), full_name text,
    phone text, email text, address text,
    inn text CHECK (inn ~ '^([0-9]{10}|[0-9]{12})$'), kpp text CHECK (kpp ~ '^[0-9A-Z]{9}$'),
    birth_date date, gender text CHECK (gender IN ('male', 'female')), comment text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (phone IS NOT NULL OR email IS NOT NULL OR inn IS NOT NULL)
);
COMMENT ON TABLE shop.web_customers IS 'Customers that registered in the application; phone, e-mail or INN finds them in 1C again';

CREATE TABLE shop.web_orders (
    id bigint PRIMARY KEY DEFAULT integ.next_shop_id('shop.orders'),
    store text NOT NULL DEFAULT 'main' REFERENCES shop.stores (code),
    number text NOT NULL CHECK (number ~ '^[^[:cntrl:]'']{1,40}$'),
    status text NOT NULL DEFAULT 'placed' CHECK (status IN ('draft', 'placed', 'cancelled')),
    customer_id bigint, counterparty_id bigint REFERENCES shop.counterparties (id),
    placed_at timestamptz NOT NULL DEFAULT now(),
    currency text NOT NULL DEFAULT 'RUB' CHECK (currency ~ '^[A-Z]{3}$'),
    price_type_id bigint REFERENCES shop.price_types (id), warehouse_id bigint REFERENCES shop.warehouses (id),
    payment_method text NOT NULL DEFAULT 'cash', delivery_method text NOT NULL DEFAULT 'pickup',
    delivery_address text, delivery_date date, delivery_from time, delivery_to time, delivery_comment text,
    contact_name text, contact_phone text, contact_email text, comment text,
    loyalty_card_id bigint, total numeric(15, 2) CHECK (total >= 0),
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (store, number)
);
CREATE INDEX web_orders_customer ON shop.web_orders (customer_id);
COMMENT ON TABLE shop.web_orders IS 'Orders of the application. A draft is not sent; id is the id that shop.orders has for the same order';
COMMENT ON COLUMN shop.web_orders.customer_id IS 'Of shop.web_customers or shop.customers (ids are shared); NULL = the retail customer of the defaults';
COMMENT ON COLUMN shop.web_orders.total IS 'What the customer saw; the order is not sent if 1C would come to another sum';

CREATE TABLE shop.web_order_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES shop.web_orders (id) ON DELETE CASCADE,
    line_code integer NOT NULL CHECK (line_code > 0),
    product_id bigint NOT NULL REFERENCES shop.products (id),
    variant_id bigint REFERENCES shop.product_variants (id), package_id bigint REFERENCES shop.units (id),
    quantity numeric(15, 3) NOT NULL CHECK (quantity > 0 AND quantity <> 'NaN'),
    price numeric(15, 2) NOT NULL CHECK (price >= 0 AND price <> 'NaN'),
    discount_percent numeric(5, 2) NOT NULL DEFAULT 0 CHECK (discount_percent BETWEEN 0 AND 100),
    discount_amount numeric(15, 2) CHECK (discount_amount >= 0),
    bonus_points numeric(15, 2) NOT NULL DEFAULT 0 CHECK (bonus_points >= 0),
    bonus_amount numeric(15, 2) NOT NULL DEFAULT 0 CHECK (bonus_amount >= 0),
    vat_rate_id bigint REFERENCES shop.vat_rates (id), warehouse_id bigint REFERENCES shop.warehouses (id),
    is_cancelled boolean NOT NULL DEFAULT false, cancel_reason text,
    UNIQUE (order_id, line_code)
);
COMMENT ON COLUMN shop.web_order_lines.line_code IS 'Stays with the line for ever (КодСтроки of 1C); given by a trigger when left out';
COMMENT ON COLUMN shop.web_order_lines.quantity IS 'In packages when package_id is given, else in the unit of the product; price is for the same';

CREATE TABLE shop.web_order_payments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES shop.web_orders (id) ON DELETE CASCADE,
    method text NOT NULL, amount numeric(15, 2) NOT NULL CHECK (amount > 0 AND amount <> 'NaN'),
    paid_at timestamptz NOT NULL DEFAULT now(), reference text
);
CREATE INDEX web_order_payments_order ON shop.web_order_payments (order_id);

CREATE TABLE shop.web_cancellations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    order_id bigint NOT NULL REFERENCES shop.web_orders (id),
    line_id bigint REFERENCES shop.web_order_lines (id),
    reason text NOT NULL DEFAULT 'customer', comment text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX web_cancellations_order ON shop.web_cancellations (order_id);
COMMENT ON COLUMN shop.web_cancellations.line_id IS 'NULL = the whole order';

CREATE TABLE shop.web_returns (
    id bigint PRIMARY KEY DEFAULT integ.next_shop_id('shop.return_requests'),
    store text NOT NULL DEFAULT 'main' REFERENCES shop.stores (code),
    number text NOT NULL CHECK (number ~ '^[^[:cntrl:]'']{1,40}$'),
    order_id bigint NOT NULL,
    reason text, compensation text NOT NULL DEFAULT 'refund' CHECK (compensation IN ('refund', 'replacement', 'advance')),
    comment text, requested_at timestamptz NOT NULL DEFAULT now(),
    is_cancelled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (store, number)
);
COMMENT ON COLUMN shop.web_returns.order_id IS 'Of shop.web_orders or shop.orders (ids are shared)';

CREATE TABLE shop.web_return_lines (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    return_id bigint NOT NULL REFERENCES shop.web_returns (id) ON DELETE CASCADE,
    line_code integer NOT NULL CHECK (line_code > 0),
    product_id bigint NOT NULL REFERENCES shop.products (id), variant_id bigint REFERENCES shop.product_variants (id),
    quantity numeric(15, 3) NOT NULL CHECK (quantity > 0 AND quantity <> 'NaN'),
    UNIQUE (return_id, line_code)
);

CREATE TABLE integ.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    store text NOT NULL,
    event_type text NOT NULL CHECK (event_type IN (
        'order_created', 'order_changed', 'order_cancelled', 'customer_created', 'customer_changed', 'return_requested'
    )),
    aggregate text NOT NULL CHECK (aggregate IN ('order', 'customer', 'return')),
    aggregate_id bigint NOT NULL,
    version integer NOT NULL,
    payload_hash bytea NOT NULL,
    queue_id bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (aggregate, aggregate_id, version)
);
COMMENT ON TABLE integ.outbox IS 'One row per version of an order, customer or return, written in the transaction that made it; no personal data';

CREATE TABLE integ.push_objects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    outgoing text NOT NULL,
    subject_id bigint NOT NULL,
    resource text NOT NULL,
    own_key uuid NOT NULL,
    onec_key uuid,
    phase text NOT NULL CHECK (phase IN ('intended', 'created', 'linked', 'verified', 'changing', 'posting', 'done', 'not_needed')),
    payload_hash bytea NOT NULL,
    version integer NOT NULL,
    done_version integer NOT NULL DEFAULT 0,
    sent_at timestamptz,
    sends integer NOT NULL DEFAULT 0,
    intended jsonb NOT NULL DEFAULT '{}',
    confirmed jsonb,
    post_pending boolean NOT NULL DEFAULT false,
    number text, posted boolean, data_version text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (system_name, outgoing, subject_id)
);
CREATE INDEX push_objects_key ON integ.push_objects (system_name, onec_key);
COMMENT ON TABLE integ.push_objects IS
    'What the push made of each thing in 1C: key and payload hash are stored before the first byte leaves, the phase after each step';
COMMENT ON COLUMN integ.push_objects.own_key IS 'uuid5 of base, kind and id; sent as Ref_Key';
COMMENT ON COLUMN integ.push_objects.onec_key IS 'The key the object has in 1C: own_key where the base honours it';
COMMENT ON COLUMN integ.push_objects.confirmed IS 'Prints of the attributes as last seen in 1C (personal data as hashes): what a change is compared with';

-- Loyalty programmes, cards and points; discounts, their conditions, and where and when they are switched on.
CREATE TABLE clean.loyalty_programs (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    point_value numeric,
    max_paid_percent numeric,
    currency_ref uuid,
    is_unearned_by_points boolean,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX loyalty_programs_changed ON clean.loyalty_programs (system_name, changed_in);
COMMENT ON TABLE clean.loyalty_programs IS 'Бонусные программы лояльности: Loyalty programmes: worth of a point, greatest share of a purchase that points may pay.';

CREATE TABLE clean.loyalty_card_kinds (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    status text,
    starts_at timestamptz,
    ends_at timestamptz,
    is_personal boolean,
    card_type text,
    program_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX loyalty_card_kinds_changed ON clean.loyalty_card_kinds (system_name, changed_in);
COMMENT ON TABLE clean.loyalty_card_kinds IS 'Виды карт лояльности: Kinds of loyalty cards: programme, validity, personal or not.';

CREATE TABLE clean.loyalty_cards (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text,
    kind_ref uuid,
    barcode text,
    magnetic_code text,
    status text,
    partner_ref uuid,
    counterparty_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX loyalty_cards_changed ON clean.loyalty_cards (system_name, changed_in);
COMMENT ON TABLE clean.loyalty_cards IS 'Карты лояльности: Loyalty cards: kind, holder, barcode, status.';

CREATE TABLE clean.loyalty_balances (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    program_ref uuid NOT NULL,
    partner_ref uuid NOT NULL,
    accrued numeric,
    to_write_off numeric,
    reserved numeric,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX loyalty_balances_changed ON clean.loyalty_balances (system_name, changed_in);
COMMENT ON TABLE clean.loyalty_balances IS 'Бонусные баллы: Loyalty points by programme and customer: accrued, to be written off, reserved, available.';

CREATE TABLE clean.price_groups (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    description text,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX price_groups_changed ON clean.price_groups (system_name, changed_in);
COMMENT ON TABLE clean.price_groups IS 'Ценовые группы: Groups of products for pricing and discounts.';

CREATE TABLE clean.discount_conditions (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    parent_ref uuid,
    condition text,
    condition_type text,
    external_ref uuid,
    limit_value numeric,
    comparison text,
    measured_by text,
    currency_ref uuid,
    payment_form text,
    card_kind_ref uuid,
    customer_segment_ref uuid,
    product_segment_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX discount_conditions_changed ON clean.discount_conditions (system_name, changed_in);
COMMENT ON TABLE clean.discount_conditions IS 'Условия предоставления скидок (наценок): Conditions of discounts: amount or quantity of a sale, loyalty card, form of payment, segment, hours.';

CREATE TABLE clean.discount_conditions_hours (
    system_name text NOT NULL,
    owner_key uuid NOT NULL,
    line_number bigint NOT NULL,
    weekday text,
    starts text,
    ends text,
    PRIMARY KEY (system_name, owner_key, line_number)
);

CREATE TABLE clean.discounts (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    ref uuid NOT NULL,
    data_version text,
    deletion_mark boolean NOT NULL,
    name text NOT NULL,
    is_folder boolean,
    parent_ref uuid,
    method text,
    method_type text,
    method_ref uuid,
    value numeric,
    currency_ref uuid,
    price_type_ref uuid,
    combination text,
    sort_order bigint,
    is_manual boolean,
    message text,
    card_kind_ref uuid,
    program_ref uuid,
    product_choice text,
    product_segment_ref uuid,
    gift_segment_ref uuid,
    quantity numeric,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX discounts_changed ON clean.discounts (system_name, changed_in);
COMMENT ON TABLE clean.discounts IS 'Скидки (наценки): Discounts, markups and special offers: how much, in which way, on which conditions.';

CREATE TABLE clean.discounts_conditions (
    system_name text NOT NULL,
    owner_key uuid NOT NULL,
    line_number bigint NOT NULL,
    condition_ref uuid,
    PRIMARY KEY (system_name, owner_key, line_number)
);

CREATE TABLE clean.discounts_price_groups (
    system_name text NOT NULL,
    owner_key uuid NOT NULL,
    line_number bigint NOT NULL,
    price_group_ref uuid,
    value numeric,
    PRIMARY KEY (system_name, owner_key, line_number)
);

CREATE TABLE clean.discount_scopes (
    system_name text NOT NULL,
    row_key uuid NOT NULL,
    valid_from timestamptz NOT NULL,
    source_ref uuid,
    source_type text,
    discount_ref uuid NOT NULL,
    status text NOT NULL,
    customer_segment_ref uuid,
    changed_in bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz,
    deleted_why text,
    absent_sweeps smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (system_name, row_key)
);
CREATE INDEX discount_scopes_changed ON clean.discount_scopes (system_name, changed_in);
COMMENT ON TABLE clean.discount_scopes IS 'Действие скидок (наценок): Discounts switched on and off, by shop, agreement or kind of loyalty card, with the moment.';

CREATE TABLE shop.loyalty_programs (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL, point_value numeric, max_paid_percent numeric,
    currency_id bigint REFERENCES shop.currencies (id), earns_when_paid_by_points boolean NOT NULL DEFAULT true,
    is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.loyalty_card_kinds (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL, status text, starts_at timestamptz, ends_at timestamptz,
    is_personal boolean NOT NULL DEFAULT false, card_type text,
    program_id bigint REFERENCES shop.loyalty_programs (id), is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);

-- References to customers and counterparties are no foreign keys: the push gives a customer its id before 1C tells of it.
CREATE TABLE shop.loyalty_cards (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text, kind_id bigint REFERENCES shop.loyalty_card_kinds (id), barcode text, magnetic_code text, status text,
    customer_id bigint, counterparty_id bigint, is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX loyalty_cards_barcode ON shop.loyalty_cards (barcode);
CREATE INDEX loyalty_cards_customer ON shop.loyalty_cards (customer_id);

CREATE TABLE shop.loyalty_balances (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL, onec_key uuid NOT NULL,
    program_id bigint NOT NULL REFERENCES shop.loyalty_programs (id), customer_id bigint NOT NULL,
    accrued numeric(15, 3) NOT NULL, to_write_off numeric(15, 3) NOT NULL, reserved numeric(15, 3) NOT NULL,
    balance numeric(16, 3) NOT NULL, available numeric(16, 3) NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (system_name, onec_key)
);
CREATE INDEX loyalty_balances_customer ON shop.loyalty_balances (customer_id);

CREATE TABLE shop.price_groups (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL, description text, is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);

-- Which goods a discount for a price group is for.
ALTER TABLE clean.products ADD COLUMN price_group_ref uuid;
ALTER TABLE shop.products ADD COLUMN price_group_id bigint REFERENCES shop.price_groups (id);
CREATE INDEX products_price_group ON shop.products (price_group_id);

CREATE TABLE shop.discount_conditions (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL, is_folder boolean NOT NULL DEFAULT false,
    parent_id bigint REFERENCES shop.discount_conditions (id),
    condition text, limit_value numeric, comparison text, measured_by text,
    currency_id bigint REFERENCES shop.currencies (id), payment_form text,
    card_kind_id bigint REFERENCES shop.loyalty_card_kinds (id), customer_segment_ref uuid, product_segment_ref uuid,
    is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.discount_condition_hours (
    owner_id bigint NOT NULL REFERENCES shop.discount_conditions (id),
    line_number integer NOT NULL,
    weekday text, starts time, ends time,
    PRIMARY KEY (owner_id, line_number)
);

CREATE TABLE shop.discounts (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    name text NOT NULL, is_folder boolean NOT NULL DEFAULT false, parent_id bigint REFERENCES shop.discounts (id),
    method text, value numeric, currency_id bigint REFERENCES shop.currencies (id),
    price_type_id bigint REFERENCES shop.price_types (id),
    combination text, sort_order bigint, is_manual boolean NOT NULL DEFAULT false, message text,
    card_kind_id bigint REFERENCES shop.loyalty_card_kinds (id), program_id bigint REFERENCES shop.loyalty_programs (id),
    product_choice text, product_segment_ref uuid, gift_segment_ref uuid, quantity numeric,
    is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shop.discount_condition_rows (
    owner_id bigint NOT NULL REFERENCES shop.discounts (id),
    line_number integer NOT NULL,
    condition_id bigint NOT NULL REFERENCES shop.discount_conditions (id),
    PRIMARY KEY (owner_id, line_number)
);
COMMENT ON TABLE shop.discount_condition_rows IS 'A discount is given when all of its conditions hold';

CREATE TABLE shop.discount_price_groups (
    owner_id bigint NOT NULL REFERENCES shop.discounts (id),
    line_number integer NOT NULL,
    price_group_id bigint NOT NULL REFERENCES shop.price_groups (id), value numeric,
    PRIMARY KEY (owner_id, line_number)
);

CREATE TABLE shop.discount_scopes (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL, onec_key uuid NOT NULL,
    discount_id bigint NOT NULL REFERENCES shop.discounts (id), scope text NOT NULL,
    warehouse_id bigint REFERENCES shop.warehouses (id), agreement_id bigint REFERENCES shop.agreements (id),
    card_kind_id bigint REFERENCES shop.loyalty_card_kinds (id), source_ref uuid, customer_segment_ref uuid,
    status text NOT NULL, valid_from timestamptz NOT NULL, is_deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (system_name, onec_key)
);
CREATE INDEX discount_scopes_discount ON shop.discount_scopes (discount_id, valid_from);

-- From when to when a discount is switched on, and where.
CREATE VIEW shop.discount_periods AS
SELECT s.discount_id, s.scope, s.warehouse_id, s.agreement_id, s.card_kind_id, s.source_ref, s.customer_segment_ref,
    s.valid_from, s.valid_until
FROM (
    SELECT x.*, lead(x.valid_from) OVER (
        PARTITION BY x.system_name, x.discount_id, x.scope, x.source_ref ORDER BY x.valid_from
    ) AS valid_until
    FROM shop.discount_scopes AS x
    WHERE NOT x.is_deleted
) AS s
WHERE s.status = 'active';
COMMENT ON VIEW shop.discount_periods IS 'valid_until = the next switching of the same discount at the same place; NULL = open';

CREATE VIEW shop.active_discounts AS
SELECT p.*, d.name, d.method, d.value, d.currency_id
FROM shop.discount_periods AS p JOIN shop.discounts AS d ON d.id = p.discount_id
WHERE NOT d.is_deleted AND p.valid_from <= now() AND (p.valid_until IS NULL OR p.valid_until > now());
COMMENT ON VIEW shop.active_discounts IS 'What is switched on at this moment; its conditions still have to hold';

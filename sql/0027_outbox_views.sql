-- What the application may know of its orders, customers and returns: sent or not, number and state in 1C, and what to show when it hangs.

CREATE TABLE integ.app_messages (
    code text PRIMARY KEY,
    ru text NOT NULL,
    en text NOT NULL
);
COMMENT ON TABLE integ.app_messages IS 'What the application may show a customer for each state or error code; edit the texts as you like';
INSERT INTO integ.app_messages (code, ru, en) VALUES
    ('waiting', 'Заказ принят и передаётся в обработку.', 'The order is accepted and on its way to processing.'),
    ('retrying', 'Заказ принят, передача в обработку займёт чуть больше времени.', 'The order is accepted; passing it on takes a little longer.'),
    ('attention', 'Заказ принят, его проверит сотрудник магазина.', 'The order is accepted; a member of our staff will check it.'),
    ('done', 'Заказ в обработке.', 'The order is being processed.'),
    ('cancelled', 'Заказ отменён.', 'The order is cancelled.'),
    ('PUSH_COUNTERPARTY', 'Уточняем реквизиты покупателя.', 'We are checking the buyer''s details.'),
    ('PUSH_AMBIGUOUS', 'Уточняем данные покупателя.', 'We are checking the customer''s data.'),
    ('PUSH_CONFLICT', 'Изменение заказа проверит сотрудник магазина.', 'A member of our staff will check the change.');

CREATE TABLE integ.order_stages (
    status text NOT NULL,
    state text NOT NULL DEFAULT '',
    stage text NOT NULL,
    PRIMARY KEY (status, state)
);
COMMENT ON TABLE integ.order_stages IS
    'Status and state of an order in 1C (words of shop.orders and shop.order_states) -> the stage that the application shows; state '''' = any';
INSERT INTO integ.order_stages (status, state, stage) VALUES
    ('draft', '', 'accepted'), ('to_supply', '', 'in_work'), ('to_ship', '', 'in_work'), ('closed', '', 'completed'),
    ('to_supply', 'awaiting_advance', 'awaiting_payment'), ('to_ship', 'awaiting_prepayment', 'awaiting_payment'),
    ('to_supply', 'awaiting_prepayment', 'awaiting_payment'), ('to_ship', 'ready_to_ship', 'ready'),
    ('to_ship', 'shipping', 'shipping'), ('to_ship', 'awaiting_payment', 'shipped'), ('to_ship', 'awaiting_ownership', 'shipped'),
    ('to_ship', 'ready_to_close', 'shipped');

-- One row per thing of the application: the newest queue item and what the push made of it.
CREATE VIEW integ.push_status AS
SELECT o.system_name, o.aggregate, o.aggregate_id, o.version, p.done_version, p.onec_key, p.number, p.posted,
    q.state AS queue_state, q.attempts, q.run_at, q.last_error ->> 'code' AS error_code, q.id AS queue_id,
    CASE
        WHEN coalesce(p.done_version, 0) >= o.version THEN 'done'
        WHEN q.state = 'dead' THEN 'attention'
        WHEN q.state IN ('done', 'dropped') THEN 'not_needed'
        WHEN q.last_error IS NOT NULL THEN 'retrying'
        ELSE 'waiting'
    END AS push_state,
    greatest(o.created_at, p.updated_at, q.updated_at) AS updated_at
FROM (
    SELECT DISTINCT ON (aggregate, aggregate_id) system_name, aggregate, aggregate_id, version, created_at
    FROM integ.outbox ORDER BY aggregate, aggregate_id, version DESC
) AS o
LEFT JOIN integ.push_objects AS p
    ON p.system_name = o.system_name AND p.subject_id = o.aggregate_id
    AND p.outgoing = CASE o.aggregate WHEN 'order' THEN 'orders' WHEN 'customer' THEN 'customers' ELSE 'return_requests' END
LEFT JOIN LATERAL (
    -- The oldest open item tells what the thing hangs on; without one, how the newest ended.
    SELECT r.* FROM integ.retry_queue AS r
    WHERE r.system_name = o.system_name AND r.ordering_key = o.aggregate || ':' || o.aggregate_id AND r.kind = 'push'
    ORDER BY r.is_open DESC, CASE WHEN r.is_open THEN r.id ELSE -r.id END LIMIT 1
) AS q ON true;
COMMENT ON VIEW integ.push_status IS 'done, waiting, retrying, attention (a person must act: onec queue list), not_needed';

CREATE VIEW shop.web_order_status AS
SELECT w.id AS order_id, w.store, w.number, w.status, s.version,
    coalesce(s.push_state, 'draft') AS push_state,
    s.onec_key IS NOT NULL AND coalesce(s.done_version, 0) > 0 AS is_pushed,
    coalesce(o.number, s.number) AS onec_number, s.onec_key, coalesce(o.is_posted, s.posted, false) AS is_posted,
    o.status AS onec_status, t.state AS onec_state,
    CASE
        WHEN w.status = 'cancelled' THEN 'cancelled'
        WHEN w.status = 'draft' THEN 'draft'
        WHEN o.is_deleted THEN 'cancelled'
        ELSE coalesce(exact.stage, whole.stage, 'accepted')
    END AS stage,
    o.amount AS onec_amount, t.paid_amount, t.shipped_amount,
    s.error_code, coalesce(m.ru, g.ru) AS message_ru, coalesce(m.en, g.en) AS message_en, s.updated_at
FROM shop.web_orders AS w
LEFT JOIN integ.push_status AS s ON s.aggregate = 'order' AND s.aggregate_id = w.id
LEFT JOIN integ.external_id_mappings AS x
    ON x.system_name = s.system_name AND x.entity_type = 'orders' AND x.external_id = s.onec_key
LEFT JOIN shop.orders AS o ON o.id = coalesce(x.internal_id, w.id)
LEFT JOIN shop.order_states AS t ON t.order_id = o.id AND t.system_name = s.system_name AND NOT t.is_deleted
LEFT JOIN integ.order_stages AS exact ON exact.status = o.status AND exact.state = t.state AND t.state <> ''
LEFT JOIN integ.order_stages AS whole ON whole.status = o.status AND whole.state = ''
LEFT JOIN integ.app_messages AS m ON m.code = s.error_code AND s.push_state IN ('attention', 'retrying')
LEFT JOIN integ.app_messages AS g
    ON g.code = CASE WHEN w.status = 'cancelled' AND s.push_state IN ('done', 'not_needed') THEN 'cancelled' ELSE s.push_state END;
COMMENT ON VIEW shop.web_order_status IS 'For the application: is the order in 1C, under which number, posted, how far, and what to show';

CREATE VIEW shop.web_customer_status AS
SELECT w.id AS customer_id, w.store, coalesce(s.push_state, 'waiting') AS push_state, s.onec_key, s.number AS onec_code,
    x.internal_id AS shop_customer_id, s.error_code, s.updated_at
FROM shop.web_customers AS w
LEFT JOIN integ.push_status AS s ON s.aggregate = 'customer' AND s.aggregate_id = w.id
LEFT JOIN integ.external_id_mappings AS x
    ON x.system_name = s.system_name AND x.entity_type = 'customers' AND x.external_id = s.onec_key;
COMMENT ON COLUMN shop.web_customer_status.shop_customer_id IS
    'The row of shop.customers: the same id, or that of a customer whom 1C had already';

CREATE VIEW shop.web_return_status AS
SELECT w.id AS return_id, w.store, w.number, w.order_id, coalesce(s.push_state, 'waiting') AS push_state, s.onec_key,
    coalesce(r.number, s.number) AS onec_number, r.status AS onec_status, r.is_posted, s.error_code, s.updated_at
FROM shop.web_returns AS w
LEFT JOIN integ.push_status AS s ON s.aggregate = 'return' AND s.aggregate_id = w.id
LEFT JOIN integ.external_id_mappings AS x
    ON x.system_name = s.system_name AND x.entity_type = 'return_requests' AND x.external_id = s.onec_key
LEFT JOIN shop.return_requests AS r ON r.id = coalesce(x.internal_id, w.id);

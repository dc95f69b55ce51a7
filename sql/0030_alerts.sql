-- Alerts: what is wrong now, who was told on which channel, and what nobody wants to hear of (docs/alerts.md).
CREATE TABLE integ.alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    fingerprint text NOT NULL,
    kind text NOT NULL,
    code text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('note', 'warning', 'error', 'critical')),
    source text NOT NULL,
    facts jsonb NOT NULL DEFAULT '{}',
    lasting boolean NOT NULL DEFAULT true,
    since timestamptz NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    occurrences integer NOT NULL DEFAULT 1,
    event_id bigint NOT NULL DEFAULT 0,
    announced_at timestamptz,
    announced_size bigint,
    escalated_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text,
    resolved_at timestamptz
)
WITH (fillfactor = 70);
CREATE UNIQUE INDEX alerts_open ON integ.alerts (system_name, fingerprint) WHERE resolved_at IS NULL;
CREATE INDEX alerts_newest ON integ.alerts (system_name, fingerprint, id DESC);
COMMENT ON TABLE integ.alerts IS 'One row per thing that is or was wrong; open while resolved_at is null, and then one row per fingerprint';
COMMENT ON COLUMN integ.alerts.facts IS 'Entity, rows, ids, codes, 1C''s words, run: what the message is made of; never personal data';
COMMENT ON COLUMN integ.alerts.lasting IS 'False for something that happened once: it ends without a recovery notice';
COMMENT ON COLUMN integ.alerts.event_id IS 'The newest event of Dagster''s log that this row knows of: an event that is read again changes nothing';
COMMENT ON COLUMN integ.alerts.announced_at IS 'When deliveries were made for it; null while below the level, silenced or within the cooldown';

CREATE TABLE integ.alert_deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alert_id bigint NOT NULL REFERENCES integ.alerts (id) ON DELETE CASCADE,
    channel text NOT NULL,
    event text NOT NULL CHECK (event IN ('raised', 'grew', 'escalated', 'recovered')),
    round integer NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'cancelled', 'given_up')),
    attempts integer NOT NULL DEFAULT 0,
    run_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz,
    UNIQUE (alert_id, channel, event, round)
);
CREATE INDEX alert_deliveries_waiting ON integ.alert_deliveries (run_at) WHERE state = 'waiting';
COMMENT ON TABLE integ.alert_deliveries IS 'One row per notice and channel: sent only after the channel accepted it; run_at is also the lease of who is sending it';

CREATE TABLE integ.alert_silences (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    pattern text NOT NULL CHECK (pattern <> ''),
    until timestamptz NOT NULL,
    by text NOT NULL,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE integ.alert_silences IS 'Fingerprints that are not announced until then; * stands for anything';

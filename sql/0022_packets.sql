-- Packets of an exchange plan: stored before they are acknowledged, so that 1C may forget what they carried.
CREATE TABLE integ.exchange_nodes (
    system_name text NOT NULL,
    plan text NOT NULL,
    node_ref uuid NOT NULL,
    code text NOT NULL DEFAULT '',
    epoch integer NOT NULL DEFAULT 1,
    epoch_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    epoch_why text NOT NULL DEFAULT '',
    received_no bigint NOT NULL,
    sent_no bigint NOT NULL,
    holder text,
    lease_token uuid,
    held_since timestamptz,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    drained_at timestamptz,
    failures integer NOT NULL DEFAULT 0,
    stuck_since timestamptz,
    stuck_error jsonb,
    PRIMARY KEY (system_name, plan, node_ref)
);
COMMENT ON TABLE integ.exchange_nodes IS
    'Nodes that we read: what 1C''s counters were, who holds the lease, since when a packet cannot be had';
COMMENT ON COLUMN integ.exchange_nodes.epoch IS
    'A new one begins when the counters jump: entities must then be read whole once more';
COMMENT ON COLUMN integ.exchange_nodes.drained_at IS 'When the queue of the node was last seen empty';

CREATE TABLE raw.packets (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_name text NOT NULL,
    plan text NOT NULL,
    node_ref uuid NOT NULL,
    epoch integer NOT NULL,
    message_no bigint NOT NULL,
    requested_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    staged_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acknowledged_at timestamptz,
    elapsed_ms integer NOT NULL,
    body_sha256 bytea NOT NULL,
    raw_bytes bigint NOT NULL,
    head bytea NOT NULL,
    counts jsonb NOT NULL,
    FOREIGN KEY (system_name, plan, node_ref) REFERENCES integ.exchange_nodes (system_name, plan, node_ref)
);
CREATE INDEX packets_node ON raw.packets (system_name, plan, node_ref, id);
CREATE INDEX packets_body ON raw.packets (body_sha256);
COMMENT ON TABLE raw.packets IS
    'Answers of SelectChanges. A number comes twice when it was not acknowledged: the later one holds all of the earlier one';
COMMENT ON COLUMN raw.packets.counts IS 'Entries by type: {type: {kind: number}}';
COMMENT ON COLUMN raw.packets.head IS 'What stands before the first entry: the feed''s start with its namespaces';

CREATE TABLE raw.packet_pieces (
    body_sha256 bytea NOT NULL,
    piece_no integer NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (body_sha256, piece_no)
);
ALTER TABLE raw.packet_pieces ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE raw.packet_pieces IS 'A packet''s bytes in order, cut between entries, each piece gzipped; stored once for equal bytes';

CREATE TABLE raw.packet_entries (
    packet_id bigint NOT NULL REFERENCES raw.packets (id) ON DELETE CASCADE,
    entry_no integer NOT NULL,
    type_name text NOT NULL,
    key text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('entry', 'deleted', 'emptied')),
    piece_no integer NOT NULL,
    starts_at integer NOT NULL,
    length integer NOT NULL,
    PRIMARY KEY (packet_id, entry_no)
);
CREATE INDEX packet_entries_key ON raw.packet_entries (type_name, key, packet_id, entry_no);
COMMENT ON TABLE raw.packet_entries IS 'Where each object of a packet is; deleted = a tombstone, emptied = a record set without rows';

CREATE TABLE integ.packet_marks (
    system_name text NOT NULL,
    entity_type text NOT NULL,
    plan text NOT NULL,
    node_ref uuid NOT NULL,
    epoch integer NOT NULL,
    packet_id bigint NOT NULL,
    entry_no integer NOT NULL,
    base_job bigint NOT NULL,
    base_begun_at timestamptz NOT NULL,
    base_ended_at timestamptz NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (system_name, entity_type)
);
COMMENT ON TABLE integ.packet_marks IS
    'How far each entity has applied the packets, and the whole reading (job, from, to) on which it applies them';

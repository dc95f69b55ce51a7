-- Every worker asks each second whether one is due; there are none but after a crash.
CREATE INDEX retry_queue_suspects ON integ.retry_queue (system_name, kind, run_at) WHERE state = 'ready' AND lost_leases > 0;
COMMENT ON COLUMN integ.retry_queue.lost_leases IS
    'Claims in a row whose worker never came back; from the first on it is worked off alone, 5 make the item dead (poison)';

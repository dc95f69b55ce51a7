"""How things are synced, one verb a file; no entity is named here."""

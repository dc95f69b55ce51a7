"""1C:Управление Торговлей 11 and an e-commerce PostgreSQL, kept in step both ways by a Dagster pipeline."""

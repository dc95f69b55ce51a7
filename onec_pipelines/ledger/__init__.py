"""What the pipeline remembers, one table or layer a file. Functions take the open psycopg connection of the caller's transaction."""

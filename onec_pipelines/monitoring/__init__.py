"""What people and machines are told about the pipeline; nothing here changes data."""

"""A 1C for tests, demonstrations and development without a licence: a real HTTP server that behaves as PROTOCOL says."""

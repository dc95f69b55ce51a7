"""A 1C for tests, demonstrations and development without a licence.

A real HTTP server that behaves as PROTOCOL says.
"""

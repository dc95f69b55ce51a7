"""Pushing one object to 1C, one purpose a module: declaration, payload, preflight, lookup, compare, send, post."""

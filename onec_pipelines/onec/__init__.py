"""The 1C side: our client of 1C's OData v3.

Knows HTTP and 1C's protocol, and nothing of entities, PostgreSQL or Dagster.
"""

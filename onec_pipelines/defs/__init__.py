"""Dagster only: how the pipeline is shown, started and watched. The work itself is in `inbound.py` and below."""

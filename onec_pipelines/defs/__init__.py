"""Everything that knows Dagster: assets, checks, jobs, schedules, sensors, resources, and the instance.

Nothing is imported here: `dagster.yaml` names a module of this package in every Dagster process.
"""

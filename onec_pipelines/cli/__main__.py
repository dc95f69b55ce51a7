"""`python -m onec_pipelines.cli`: the same as `onec`."""

from onec_pipelines.cli import main

main()

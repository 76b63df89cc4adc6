"""Run as `python -m sonotrace`, as the stages in dvc.yaml do."""

from sonotrace.cli import main

main()

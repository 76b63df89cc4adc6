"""One module a stage; each has `run(...)`, which reads `params.yaml` and writes the outputs."""

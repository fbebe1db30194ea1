"""The job file: YAML, read, rendered and checked, becomes a `rpd.states.ports.job.Job`."""

"""The job file: read YAML, render and check it, and make a `rpd.states.ports.job.Job`."""

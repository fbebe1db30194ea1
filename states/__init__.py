"""The life of a rented pod and its job as states, facts and ports. Imports `rpd.engine` and `rpd.journal`."""

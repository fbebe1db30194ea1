"""What was typed: options that several commands have, help pages, and the run, job or words that are meant."""

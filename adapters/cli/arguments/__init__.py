"""Reading the command line: options that several commands share, help pages, and the run, job or words that are
meant."""

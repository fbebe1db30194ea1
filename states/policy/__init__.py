"""Rules over the facts: what is owed, proved, affordable, meant. This package does not decide what comes next."""

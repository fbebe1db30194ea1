"""Rules over the facts: what is owed, proved, affordable, meant. Nothing here decides what comes next."""

"""Which cloud is asked, with which keys, and by whose word: the configuration, the gate, the opening of a journal."""

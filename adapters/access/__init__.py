"""Which cloud rpd asks, with which key, and whether it may: the configuration, the gate, the opening of a journal."""

"""Everything that computes or is stored for the runs of a state home: what `rpd gc` plans and does."""

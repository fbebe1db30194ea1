"""Everything that computes or is stored for the runs of a state home: the plan and the acts of `rpd gc`."""

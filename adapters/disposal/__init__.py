"""Which pods are ours, and how rpd gives one pod back, with proof, outside the loop of its run."""

"""What is ours, and how it is given back and proved: one pod, outside the loop of its run."""

"""What crosses the border of the engine: the job, the ports to the world, and the words of the journal."""

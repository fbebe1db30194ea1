"""`rpd doctor`: what is wrong with this machine, the account and the state home, and what to type about it."""

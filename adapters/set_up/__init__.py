"""First steps: the questions of `rpd config init`, what is checked of the answers, and where they are kept."""

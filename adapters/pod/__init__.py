"""The shell scripts that run inside a pod: launch wrapper, follower, dead-man's switch."""

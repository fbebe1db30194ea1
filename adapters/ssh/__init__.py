"""SSH into a pod with paramiko."""

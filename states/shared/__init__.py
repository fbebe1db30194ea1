"""What several states decide alike."""

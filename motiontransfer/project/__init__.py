"""A user's project: its params.yaml and videos, its remote, its state."""

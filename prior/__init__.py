"""A graph of its own: one network trained on many computed actors, to start trainings from."""

"""Video in, video out, and the store of frames between."""

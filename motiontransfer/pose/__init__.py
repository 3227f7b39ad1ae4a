"""Pose: finding joints in frames, moving them into another person's frame, drawing them."""

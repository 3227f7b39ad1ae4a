"""Losses, the two training steps, the loop around them."""

"""From poses to a video: roll-out, face paste, composition."""

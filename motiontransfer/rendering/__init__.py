"""From poses to a video: rollout, face paste, composition."""

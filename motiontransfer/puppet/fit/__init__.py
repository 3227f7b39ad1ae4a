"""From a target's film, or photos, to an appearance."""

"""From a target's film, or photos, to an appearance; what else a film shows, or is to show."""

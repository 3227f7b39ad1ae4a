"""From an appearance and poses to pixels."""

"""Two-alternative forced-choice study of perceived realism."""

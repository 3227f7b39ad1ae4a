"""HTML reports: one transfer, or a comparison of two runs."""

"""Pages to look at and to send: one transfer's report, and two runs beside each other."""

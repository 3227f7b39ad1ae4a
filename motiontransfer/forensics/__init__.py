"""Forensics: classification of rendered and filmed video (Chan et al. 2019, sec. 5)."""

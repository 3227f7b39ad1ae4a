"""Forensics: telling rendered video from filmed video (Chan et al. 2019, their last part)."""

"""Cleaning: what a detector found of a person, made fit to be drawn."""

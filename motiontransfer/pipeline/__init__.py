"""Driving DVC: which stages run, their run, and what teammates share."""

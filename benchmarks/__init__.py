"""Measurements of what the project promises about its cost, as ratios on one machine."""

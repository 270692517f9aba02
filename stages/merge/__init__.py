"""Merge the clusters that the dispersion criterion ranks closest."""

"""Comparisons: runs that share data set and stage 0 and differ in some parameters, and tables of what they gave."""

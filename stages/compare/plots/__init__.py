"""Curves of runs as figures, from series of numbers; the only package that imports matplotlib."""

"""The criteria that rank pairs of clusters: every module here defines one and is found by itself."""

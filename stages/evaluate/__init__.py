"""Retrieval metrics and cluster measures; the one stage that reads identities."""

"""Clusters against identities, against cameras, and on their own."""

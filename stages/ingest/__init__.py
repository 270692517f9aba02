"""Decode every image of a source once into the dataset artifact."""

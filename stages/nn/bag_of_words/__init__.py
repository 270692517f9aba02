"""Bag of colour words: a descriptor without a network, weights or labels."""

"""What D is, to the last bit: dispersions of clusters from features."""

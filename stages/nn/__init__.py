"""Networks: backbones and their weights, the embedding head, the look-up table and its loss."""

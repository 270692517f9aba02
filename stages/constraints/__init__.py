"""What is known of pairs of samples: the same individual, or different ones; read, checked and kept as an artifact."""

"""The work behind the commands: ingest, extract, merge, train and evaluate, over versioned artifacts."""

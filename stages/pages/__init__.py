"""Pages for people in one HTML file: what a run found, and pairs to answer. They need no network and no server's files."""

"""Other ways to make the clusters of a stage, one file each: `cluster` is the function, and its name is the file's."""

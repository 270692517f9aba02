"""Train images on their way into the network: read, cropped and augmented."""

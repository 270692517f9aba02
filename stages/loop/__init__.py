"""The whole loop over stages, and which stage to take."""

"""The commands of `dbc`, one module each."""

"""The small run and the way to run commands that the tests of commands have."""

from tests.cli.conftest import begun, dbc

__all__ = ["begun", "dbc"]

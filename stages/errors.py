"""The two errors a user meets: something failed (exit 1), or something was asked for wrongly (exit 2)."""


class DbcError(Exception):
    """A failure told in one line: the thing, the value found, the value wanted, the next step. Exit status 1."""

    exit_code = 1


class UsageError(DbcError):
    """A request that cannot be carried out as it was written. Exit status 2."""

    exit_code = 2

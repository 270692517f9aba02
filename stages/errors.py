"""The two errors a user meets: something failed (exit 1), or something was asked for wrongly (exit 2)."""


class DbcError(Exception):
    """A failure told in one line: the thing, the value found, the value wanted, the next step. Exit status 1."""

    exit_code = 1


class MemoryLimitError(DbcError):
    """Work that takes more memory than it may: `found` says which and how much, `advice` the next step."""

    def __init__(self, found: str, advice: str) -> None:
        # both are arguments of the exception, so that another process can send it
        super().__init__(found, advice)
        self.found, self.advice = found, advice

    def __str__(self) -> str:
        return f"{self.found}; {self.advice}"


class UsageError(DbcError):
    """A request that cannot be carried out as it was written. Exit status 2."""

    exit_code = 2

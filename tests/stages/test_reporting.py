"""What stages tell reaches the screen, and what a loop's stages repeat does so once."""

from stages.reporting import OncePerKind, Silent


class Told(Silent):
    def __init__(self):
        self.lines = []

    def note(self, message):
        self.lines.append(f"note: {message}")

    def warn(self, message):
        self.lines.append(f"warning: {message}")


def test_warnings_that_differ_in_numbers_alone_are_told_once_and_counted():
    told = Told()
    once = OncePerKind(told)
    for loss in ("5.449", "5.08", "4"):
        once.warn(f"training: loss {loss} is as high as that of guessing, ln 253 = 5.533; later stages may still learn")
        once.note("a note is told each time")
    once.warn("another one")
    assert told.lines == [
        "warning: training: loss 5.449 is as high as that of guessing, ln 253 = 5.533; later stages may still learn",
        *["note: a note is told each time"] * 3,
        "warning: another one",
    ]
    once.end()
    assert told.lines[5:] == [
        "note: 2 more such warnings of other stages: training: loss 5.449 is as high as that of guessing, ln 253 = 5.533"
    ]

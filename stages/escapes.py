"""Text from data as it may be shown: what would steer a terminal is written out."""

from __future__ import annotations

import json
import re

# control characters but tab and new line, line and paragraph separators, what turns the direction of text, and the lone
# surrogates by which Python keeps bytes of file names that are not UTF-8
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    r"""`text` with every character that steers a terminal as JSON writes it, such as `\u001b`; so JSON stays what it is."""
    return _STEERING.sub(lambda found: json.dumps(found[0])[1:-1], text)


def visible_line(text: str) -> str:
    """`text` as `visible`, on one line: a new line is written out, too."""
    return visible(text).replace("\n", "\\n")

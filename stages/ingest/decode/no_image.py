"""What a file is that is called as a picture and is none that can be read, and what to do about it."""

from __future__ import annotations

from stages.plain_files import kind_of

VIDEO = "a video (give it its ending, or take frames of it)"
_KINDS = (
    (rb"....ftyp(hei|hev|mif1|msf1)", "HEIC, as telephones save it (save it as JPEG)"),
    (rb"....ftypavi", "AVIF, which is not read here (save it as JPEG, or update Pillow)"),
    (rb"....ftypcrx", "a raw picture of Canon (save it as JPEG)"),
    (rb"....ftyp|....(moov|mdat)|RIFF....AVI |\x1aE\xdf\xa3|\0\0\1\xba", VIDEO),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "JPEG XL (save it as JPEG)"),
)  # fmt: skip
"""How the content begins, and what it is."""


def what_it_is(content: bytes) -> str:
    """The end of a sentence that says of `content`, which is no image: ` but a web page (download it again)`."""
    found = known_kind(content)
    return f" (starts with {content[:8]!r})" if found is None else f" but {found}"


def known_kind(content: bytes) -> str | None:
    """What a file is that begins with `content`, and what to do: `a web page (download it again)`; None if not known."""
    return kind_of(content, _KINDS)

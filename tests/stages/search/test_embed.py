"""A file that is no picture is refused with what to give instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.errors import UsageError
from stages.ingest.decode.crops import BadImageError
from stages.search.embed import refusal


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("clip.MP4", "clip.MP4 is a video; save a frame of it as a picture, and give that"),
        ("card", "card is a folder; give pictures, one or more, such as card/*.JPG"),
        ("empty", "empty is a folder; give pictures, one or more, such as empty/*.jpg"),
        ("a.jpg", "a.jpg is broken; give a picture that can be opened"),
        ("lost.mp4", "lost.mp4 is broken; give a picture that can be opened"),
    ],
)
def test_what_to_give_instead_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("card").mkdir()
    Path("empty").mkdir()
    for file in ("clip.MP4", "a.jpg", "card/1.JPG", "card/2.JPG", "card/0.png", "card/notes.txt"):
        Path(file).write_bytes(b"")
    told = refusal(Path(name), BadImageError("is broken"))
    assert str(told) == line
    assert isinstance(told, UsageError) == (" is a " in line)

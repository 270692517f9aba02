"""Encounters from times: pictures of one camera that were taken soon after each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schemas.parameters import IngestParameters, SyntheticParameters
from stages.errors import UsageError
from stages.ingest.encounters import by_time, told_bursts, told_clocks, told_repeated
from stages.ingest.formats.format import Findings
from stages.ingest.headers import some_headers
from stages.ingest.stage import ingest
from stages.runs.context import Context
from stages.runs.run_directory import RunDirectory
from stages.samples import UNKNOWN, Samples


def samples_of(*rows: tuple[str, int, str]) -> Samples:
    """Images of (path, camera, time)."""
    n = len(rows)
    samples = Samples.of_images([path for path, _, _ in rows], [1] * n, [camera for _, camera, _ in rows], [0] * n)
    return replace(samples, timestamp=tuple(time for _, _, time in rows))


def test_pictures_of_one_camera_are_of_one_encounter_as_long_as_the_next_one_follows_soon(tmp_path: Path) -> None:
    samples = samples_of(
        ("a.jpg", 1, "2024-05-31T07:15:00"),
        ("b.jpg", 1, "2024-05-31T07:16:59"),
        ("c.jpg", 2, "2024-05-31T07:15:00"),
        # a chain: 60 s after b, 119 s after a
        ("d.jpg", 1, "2024-05-31T07:15:59"),
        ("e.jpg", 1, "2024-05-31T07:18:00"),
        ("f.jpg", 1, "2024-05-31T05:18:30-02:00"),
        ("g.jpg", 1, "2024-06-01T00:00:00"),
        ("h.jpg", UNKNOWN, "2024-05-31T07:15:00"),
        ("x/i.jpg", UNKNOWN, "2024-05-31T07:15:00"),
        ("x/j.jpg", UNKNOWN, "2024-05-31T07:14:00"),
    )
    findings = Findings()
    found = by_time(samples, tmp_path, gap=60, findings=findings)
    assert found.encounter_name == (
        "camera 1 2024-05-31T07:15:00",
        "camera 1 2024-05-31T07:15:00",
        "camera 2 2024-05-31T07:15:00",
        "camera 1 2024-05-31T07:15:00",
        "camera 1 2024-05-31T07:18:00",
        "camera 1 2024-05-31T07:18:00",
        # midnight is a day without a time
        "",
        ". 2024-05-31T07:15:00",
        "x 2024-05-31T07:14:00",
        "x 2024-05-31T07:14:00",
    )
    assert found.encounter[6] == UNKNOWN
    assert len(set(found.encounter.tolist())) == 6
    assert any(
        "60 s after the one before: 3; pictures without a time, in no encounter: 1" in note for note in findings.notes
    )
    assert any("only within a folder" in note for note in findings.notes)


def test_folders_of_views_are_one_place(tmp_path: Path) -> None:
    paths = ("dado/Left/1.jpg", "dado/RIGHT/2.jpg", "dado/tail/3.jpg", "dado/top/4.jpg", "gull/Left/1.jpg")
    samples = samples_of(*((path, UNKNOWN, "2024-05-31T07:15:00") for path in paths))
    viewed = replace(samples, view=np.array([1, 2, 3, UNKNOWN, 1]), view_name=("left", "right", "tail", "", "left"))
    for each, n_places in ((samples, 4), (viewed, 3)):
        names = by_time(each, tmp_path, gap=60, findings=Findings()).encounter_name
        assert len(set(names)) == n_places
        assert names[0] == names[1] == "dado 2024-05-31T07:15:00"


def test_bursts_are_told_with_what_to_do(tmp_path: Path) -> None:
    minutes = ("00", "00", "02", "00", "09", "20")
    rows = [(f"{i}.jpg", 1, f"2024-05-31T07:{minute}:1{i}") for i, minute in enumerate(minutes)]
    (told,) = told_bursts(samples_of(*rows), tmp_path)
    assert told.startswith("3 of 6 pictures were taken within 60 s of another of their camera")
    apart = [(path, i, time) for i, (path, _, time) in enumerate(rows)]
    named = replace(samples_of(*rows), encounter=np.zeros(6, np.int32), encounter_name=("e",) * 6)
    for quiet in (samples_of(*apart), samples_of(*rows[2:]), samples_of(("a.jpg", 1, "")), named):
        assert told_bursts(quiet, tmp_path) == []


def test_boxes_of_one_picture_are_no_burst(tmp_path: Path) -> None:
    rows = [(f"{i // 2}.jpg", 1, f"2024-05-{10 + i // 2}T07:15:00") for i in range(8)]
    assert told_bursts(samples_of(*rows), tmp_path) == []
    findings = Findings()
    by_time(samples_of(*rows), tmp_path, gap=60, findings=findings)
    assert "encounters of more than one picture, each at most 60 s after the one before: 0" in findings.notes


@pytest.mark.parametrize("time", ["", "2024-05-31T00:00:00"])
def test_without_times_nothing_can_be_said(tmp_path: Path, time: str) -> None:
    with pytest.raises(UsageError, match=f"needs times of pictures.*{'only days are' if time else 'none is'} known"):
        by_time(samples_of(("a.jpg", 1, time)), tmp_path, gap=60, findings=Findings())
    # a card that is added to one with times
    findings = Findings()
    found = by_time(samples_of(("a.jpg", 1, time)), tmp_path, gap=60, findings=findings, where_possible=True)
    assert not (found.encounter >= 0).any()
    assert any("without a time, in no encounter: 1" in note for note in findings.notes)


def test_a_source_that_names_encounters_keeps_them(tmp_path: Path) -> None:
    samples = replace(
        samples_of(("a.jpg", 1, "2024-05-31T07:15:00")), encounter=np.zeros(1, np.int32), encounter_name=("e",)
    )
    with pytest.raises(UsageError, match="name no encounters"):
        by_time(samples, tmp_path, gap=60, findings=Findings())
    assert by_time(samples, tmp_path, gap=60, findings=Findings(), where_possible=True) is samples


def test_cameras_write_times_into_files(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for i, second in enumerate((0, 2, 50)):
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:31 07:15:{second:02}"
        picture = Image.fromarray(generator.integers(0, 256, (12, 8, 3), dtype=np.uint8))
        (tmp_path / "card").mkdir(exist_ok=True)
        picture.save(tmp_path / "card" / f"{i}.jpg", exif=exif)
    asked = IngestParameters(format="folder", folder_identities=False, height=16, width=8, encounter_gap=5)
    made = ingest(
        RunDirectory(tmp_path / "run"), source=tmp_path / "card", parameters=asked, context=Context(workers=0)
    )
    assert made.artifact is not None
    of_path = dict(zip(made.artifact.read("path").tolist(), made.artifact.read("encounter").tolist(), strict=True))
    assert of_path["0.jpg"] == of_path["1.jpg"] != of_path["2.jpg"]


def test_a_day_of_the_source_has_the_time_of_its_picture_if_that_is_of_the_same_day(tmp_path: Path) -> None:
    days = ("2024-05-31", "2024-05-31", "2024-06-01")
    rows = [(f"{i}.jpg", 1, f"{day}T00:00:00") for i, day in enumerate(days)]
    for name, _, _ in rows:
        exif = Image.Exif()
        exif.get_ifd(0x8769)[0x9003] = f"2024:05:31 07:15:{name[0]:>02}"
        Image.new("RGB", (8, 8)).save(tmp_path / name, exif=exif)
    findings = Findings()
    found = by_time(samples_of(*rows), tmp_path, gap=5, findings=findings)
    assert found.encounter_name == ("camera 1 2024-05-31T07:15:00",) * 2 + ("",)
    assert any("with a time of that day in the file (EXIF), which is taken: 2" in note for note in findings.notes)


def test_times_with_and_without_a_zone_in_files_are_told(tmp_path: Path) -> None:
    for name, zone in (("a", "+02:00"), ("b", "")):
        exif = Image.Exif()
        exif.get_ifd(0x8769).update({0x9003: "2024:05:31 07:15:00", **({0x9011: zone} if zone else {})})
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.jpg", exif=exif)
    findings = Findings()
    by_time(samples_of(("a.jpg", 0, ""), ("b.jpg", 0, "")), tmp_path, gap=60, findings=findings)
    assert [line.partition(";")[0] for line in findings.warnings] == ["times with a zone, as 07:15:00Z: 1 of 2"]


def test_drawn_people_have_no_times(tmp_path: Path) -> None:
    asked = IngestParameters(synthetic=SyntheticParameters(), encounter_gap=5)
    with pytest.raises(UsageError, match="drawn people have none"):
        ingest(RunDirectory(tmp_path), source=None, parameters=asked, context=Context(workers=0))


def test_clocks_that_are_wrong_are_told_and_seasons_are_not(tmp_path: Path) -> None:
    years = ["2024", "2025", "2026"] * 2
    rows = [(f"{year}/{n}.jpg", 1, f"{year}-03-01T08:00:00") for n, year in enumerate(years)]
    assert told_clocks(samples_of(*rows), {}) == []
    reset = [("r/1.jpg", 3, "2000-01-01T00:10:00"), ("r/2.jpg", UNKNOWN, "2000-01-02T00:10:00")]
    assert told_clocks(samples_of(*rows, *reset), {}) == [
        "2 of 8 pictures with a time are of 2000, of 'camera 3', 'r', and the others of 2024, 2025, 2026; if a clock is wrong "
        "there, correct their times"
    ]
    assert told_clocks(samples_of(*rows[:2], *reset), {}) == []
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2000:01:01 07:15:00"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    exif.get_ifd(0x8769)[0x9003] = "2024:01:01 07:15:00"
    for name in "bc":
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.jpg", exif=exif)
    unsaid = samples_of(*((f"{name}.jpg", UNKNOWN, "") for name in "abc"))
    (told,) = told_clocks(unsaid, some_headers(tmp_path, unsaid.path))
    assert told.startswith("1 of 3 pictures that were looked at are of 2000, of '.', and the others of 2024;")


def test_a_camera_one_year_away_is_told_and_two_seasons_of_all_are_not(tmp_path: Path) -> None:
    rows = [(f"{n}.jpg", n % 4, f"2026-04-0{n + 1}T08:00:00") for n in range(8)]
    back = [("b/1.jpg", 3, "2025-04-01T08:00:00"), ("b/2.jpg", 3, "2025-04-02T08:00:00")]
    (told,) = told_clocks(samples_of(*rows, *back), {})
    assert told.startswith("2 of 10 pictures with a time are of 2025, of 'camera 3', and the others of 2026;")
    before = [(f"b/{n}.jpg", n, f"2025-04-0{n + 1}T08:00:00") for n in range(3)]
    assert told_clocks(samples_of(*rows, *before), {}) == []
    # folders may be of seasons
    assert told_clocks(samples_of(*((path, UNKNOWN, time) for path, _, time in rows + back)), {}) == []


def test_names_of_encounters_that_are_used_again_are_told() -> None:
    samples = samples_of(
        *(("a.jpg", 1, "2024-05-31T07:15:00"), ("b.jpg", 2, "2024-05-31T07:16:00"), ("c.jpg", 3, "2024-07-01")),
        *(("d.jpg", 1, "2024-05-30"), ("e.jpg", 1, "2024-05-31"), ("f.jpg", 2, "")),
        *(("g.jpg", 1, "2023-05-30"), ("h.jpg", 2, "2024-05-31")),
    )
    one_visit = replace(samples, encounter_name=("1", "1", "", "2", "2", "1", "unknown", "unknown"))
    assert told_repeated(one_visit, {}) == []
    assert told_repeated(samples, {}) == []
    (told,) = told_repeated(replace(one_visit, encounter_name=("1", "1", "1", "2", "2", "2", "", "")), {})
    assert "visit each: 1 of 2, such as '1' of 'camera 2' on 2024-05-31 and of 'camera 3' on 2024-07-01; if" in told


@pytest.mark.parametrize(
    ("times", "is_told"),
    [
        (("2024-05-31T00:00:00", "2024-06-01T00:10:00"), False),
        (("2024-05-31T00:00:00+02:00", "2024-06-01T23:10:00+02:00"), False),
        (("2024-05-31T23:10:00", "2024-06-01T00:00:00"), False),
        (("2024-05-31T00:00:00", "2024-06-02T00:00:00"), True),
        (("2024-05-31T23:10:00", "2024-06-02T00:00:00"), True),
        (("2024-05-31T07:00:00", "2024-06-01T07:10:00"), True),
    ],
)
def test_encounters_of_days_without_a_time_are_told_by_their_dates(times: tuple[str, str], is_told: bool) -> None:
    samples = samples_of(*((f"{n}.jpg", 1, time) for n, time in enumerate(times)))
    assert bool(told_repeated(replace(samples, encounter_name=("1", "1")), {})) == is_told

"""Camera Trap Data Packages."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from box_sources import MEDIA, camtrap_dp, observation, pictures, read, refusal

from stages.errors import UsageError
from stages.samples import UNKNOWN


def test_animals_of_pictures_are_samples_and_others_are_counted(tmp_path: Path) -> None:
    rows = [
        observation(1, 1, individualID="Zola"),
        observation(2, 2),
        observation(3, 2, bboxX="", bboxY="", bboxWidth="", bboxHeight="", individualID="Ada"),
        observation(4, 2, observationType="human"),
        observation(5, 2, observationLevel="event", mediaID=""),
        observation(6, 2, mediaID="m3"),
        observation(7, 2, bboxX="", bboxY="", bboxWidth="", bboxHeight=""),
    ]
    film = "m3,d2,2024-05-02T10:00:00Z,media/3.mp4,true,video/mp4"
    source = camtrap_dp(tmp_path, rows, media=[film])
    samples, findings = read(source, "camtrap-dp")
    assert samples.path == ("media/1.jpg", "media/2.jpg", "media/2.jpg")
    assert samples.identity == ("Zola", "Ada", "")
    assert samples.camera == ("d1", "d2", "d2")
    assert samples.encounter_name == ("e1", "e2", "e2")
    assert samples.timestamp[0] == "2024-05-01T10:00:00+00:00"
    np.testing.assert_array_equal(samples.box, [[0.25, 0.5, 0.5, 0.25], [np.nan] * 4, [0.25, 0.5, 0.5, 0.25]])
    assert samples.is_relative[samples.pid == UNKNOWN].all()
    assert (
        "observations left out: 1 of events, 1 of pictures that are listed before, 1 of type human, 1 of videos"
        in findings.notes
    )
    assert read(source / "datapackage.json", "camtrap-dp")[0].path == samples.path


@pytest.mark.parametrize(
    ("rows", "media", "told"),
    [
        (
            [observation(1, 1, mediaID="m9")],
            [],
            "observations.csv' line 2 is of mediaID 'm9', which media.csv does not list",
        ),
        (
            [observation(1, 1, deploymentID="d9")],
            [],
            "line 2 is of deploymentID 'd9', which deployments.csv does not list",
        ),
        (
            [observation(1, 3)],
            ["m3,d1,,https://x/3.jpg,true,image/jpeg"],
            "media.csv' line 4: filePath 'https://x/3.jpg' is a URL, and there is no fileName",
        ),
        (
            [observation(1, 3)],
            ["m3,d1,,../3.jpg,true,image/jpeg"],
            "media.csv' line 4: filePath '../3.jpg' is no path below",
        ),
        ([observation(1, 1)], ["m1,d1,,media/3.jpg,true,image/jpeg"], "media.csv' line 4 has mediaid 'm1', as line 2"),
        ([observation(1, 1, observationType="blank")], [], "has no animals in single pictures (1 of type blank)"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, rows: list[str], media: list[str], told: str) -> None:
    rows = [row.replace("d3", "d1") for row in rows]
    assert told in refusal(camtrap_dp(tmp_path, rows, media=media), "camtrap-dp")


def test_other_versions_lost_tables_and_columns_are_refused(tmp_path: Path) -> None:
    rows = [observation(1, 1)]
    old = camtrap_dp(tmp_path / "old", rows, profile="https://x/camtrap-dp/0.6/profile.json")
    assert "expected Camtrap DP 1" in refusal(old, "camtrap-dp")
    source = camtrap_dp(tmp_path / "a", rows)
    (source / "observations.csv").write_text("observationID\no1\n")
    assert "lacks the columns deploymentid, mediaid, eventid" in refusal(source, "camtrap-dp")
    (source / "deployments.csv").unlink()
    assert "lacks deployments.csv: camtrap-dp wants" in refusal(source, "camtrap-dp")


def test_pictures_on_a_server_are_found_by_name_under_the_root(tmp_path: Path) -> None:
    source = camtrap_dp(tmp_path / "package", [observation(1, 1), observation(2, 2)])
    (source / "media").rename(tmp_path / "mine")
    media = (source / "media.csv").read_text().splitlines()
    lines = [
        line.replace("media/", "https://x/") + f",{name}"
        for line, name in zip(media, ["fileName", "1.jpg", "2.jpg"], strict=True)
    ]
    (source / "media.csv").write_text("\n".join(lines) + "\n")
    assert read(source, "camtrap-dp", root=tmp_path / "mine")[0].path == ("1.jpg", "2.jpg")
    assert "'1.jpg' does not exist" in refusal(source, "camtrap-dp")


def test_pictures_of_one_name_are_found_in_folders_of_their_deployments_or_refused(tmp_path: Path) -> None:
    source = camtrap_dp(tmp_path / "package", [observation(2, 2)])
    rows = [f"m{n},d{n},2024-05-0{n}T10:00:00Z,https://x/{n},true,image/jpeg,1.jpg" for n in (1, 2)]
    (source / "media.csv").write_text("\n".join([f"{MEDIA},fileName", *rows]) + "\n")
    pictures(tmp_path / "cards", "d1/x/1.jpg", "d2/x/1.jpg")
    assert read(source, "camtrap-dp", root=tmp_path / "cards")[0].path == ("d2/x/1.jpg",)
    pictures(tmp_path / "flat", "1.jpg")
    # one of them is of a medium without an animal
    samples, findings = read(source, "camtrap-dp", root=tmp_path / "flat")
    assert samples.path == ("1.jpg",)
    assert "an animal whose file is that of a medium without one, too: 1, the first '1.jpg'; if" in findings.warnings[0]
    camtrap_dp(tmp_path / "other", [observation(1, 1), observation(2, 2)])
    shutil.copy(tmp_path / "other" / "observations.csv", source)
    with pytest.raises(UsageError) as caught:
        read(source, "camtrap-dp", root=tmp_path / "flat")
    assert (
        "media.csv' line 3: media 'm1' of deployment 'd1' and 'm2' of deployment 'd2' come to one file, '1.jpg'"
        in str(caught.value)
    )
    # which of two is not guessed, and what is not there is lost
    pictures(tmp_path / "cards", "d2/y/1.jpg")
    with pytest.raises(UsageError, match=r"line 3: '1\.jpg' does not exist in "):
        read(source, "camtrap-dp", root=tmp_path / "cards")


def test_media_of_one_deployment_and_path_are_one_picture(tmp_path: Path) -> None:
    source = camtrap_dp(tmp_path, [observation(1, 1), observation(2, 2, deploymentID="d1", bboxX="0")])
    media = (source / "media.csv").read_text()
    (source / "media.csv").write_text(media.replace("m2,d2", "m2,d1").replace("2.jpg", "1.jpg"))
    samples, findings = read(source, "camtrap-dp")
    assert (samples.path, findings.warnings) == (("media/1.jpg",) * 2, [])
    (source / "media.csv").write_text(media.replace("2.jpg", "1.jpg"))
    assert "'m1' of deployment 'd1' and 'm2' of deployment 'd2' come to one file" in refusal(source, "camtrap-dp")


def test_several_species_are_told_and_one_may_be_taken(tmp_path: Path) -> None:
    zebra, lion = "Equus quagga", "Panthera leo"
    whole = {"bboxX": "", "bboxY": "", "bboxWidth": "", "bboxHeight": ""}
    rows = [
        observation(1, 1, scientificName=zebra),
        observation(2, 2, scientificName=zebra, **whole),
        observation(3, 2, scientificName=lion, observationLevel="MEDIA", observationType="Animal", **whole),
        observation(4, 1, scientificName=lion, bboxX="0"),
    ]
    source = camtrap_dp(tmp_path / "a", rows)
    samples, findings = read(source, "camtrap-dp")
    assert samples.category == (lion, zebra, zebra)
    assert findings.warnings[0].startswith(f"categories: 2 {zebra}, 1 {lion}, all of which are taken")
    samples, findings = read(source, "camtrap-dp", category=lion)
    assert (samples.path, samples.category) == (("media/1.jpg", "media/2.jpg"), (lion, lion))
    assert findings.boxes == {f"of category {zebra}": 2}
    alone, findings = read(camtrap_dp(tmp_path / "b", rows[:2]), "camtrap-dp")
    assert alone.category == ()
    assert not findings.warnings
    assert read(source, "camtrap-dp", category=zebra)[0].category == (zebra, zebra)


def test_a_table_that_breaks_off_is_refused(tmp_path: Path) -> None:
    source = camtrap_dp(tmp_path, [observation(1, 1), observation(2, 2)])
    file = source / "observations.csv"
    file.write_text(file.read_text().rpartition("d2,m2")[0])
    assert "observations.csv' line 3 breaks off after 2 of 14 cells; write the file anew" in refusal(
        source, "camtrap-dp"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n \n", "", "\n "])
def test_rows_may_lack_empty_cells_at_their_end(tmp_path: Path, end: str) -> None:
    source = camtrap_dp(tmp_path, [observation(1, 1), observation(2, 2)])
    file = source / "observations.csv"
    header, *lines = file.read_text().splitlines()
    file.write_bytes(("\n".join([f"{header},tags,comments", *lines]) + end).encode())
    assert len(read(source, "camtrap-dp")[0]) == 2


def test_counts_of_several_animals_in_a_whole_picture_are_told(tmp_path: Path) -> None:
    source = camtrap_dp(
        tmp_path, [observation(1, 1), observation(2, 2, bboxX="", bboxY="", bboxWidth="", bboxHeight="")]
    )
    table = source / "observations.csv"
    assert not read(source, "camtrap-dp")[1].warnings
    header, *rows = table.read_text().splitlines()
    table.write_text("\n".join([f"{header},count", *(f"{row},4" for row in rows)]) + "\n")
    (warning,) = read(source, "camtrap-dp")[1].warnings
    assert "pictures of several animals (a count above 1), each taken for one: 1" in warning

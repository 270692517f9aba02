"""Tables as Timelapse and Wildlife Insights write them."""

from __future__ import annotations

import pytest

from schemas.parameters import IngestParameters
from stages.errors import UsageError
from stages.ingest.formats import read_samples
from stages.ingest.formats.csv_file import read_header
from stages.ingest.formats.format import Findings
from stages.ingest.formats.recognise import recognise
from stages.ingest.formats.table import read_table


def read(table, text, **parameters):
    table.write_text(text)
    findings = Findings()
    return read_table(table, table.parent, IngestParameters(format="csv", **parameters), findings), findings


def pictures(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def test_timelapse_is_read_without_what_is_blank(tmp_path):
    pictures(tmp_path, "A/DCIM/1.JPG", "A/DCIM/2.JPG", "B/1.JPG", "3.JPG", "4.JPG")
    samples, findings = read(
        tmp_path / "TimelapseData.csv",
        "RootFolder,File,RelativePath,DateTime,DeleteFlag,Species,Count,Empty,Individual\n"
        "r,1.JPG,A\\DCIM,2026-04-01 21:07:06,false,Nyala,3,false,Ann\n"
        "r,2.JPG,A\\DCIM,2026-04-01 21:07:07,false,,0,false,\n"
        "r,1.JPG,B,2026-04-01 21:07:08,false,,,true,\n"
        "r,3.JPG,,2026-04-01 21:07:09,false,,,false,\n"
        "r,4.JPG,,2026-04-01 21:07:10,false,Empty,0,false,\n",
    )
    assert samples.path == ("3.JPG", "A/DCIM/1.JPG")
    assert samples.identity == ("", "Ann")
    assert "is of Timelapse: relativepath and file are the path, datetime is timestamp" in findings.notes[0]
    assert findings.notes[0].endswith("empty pictures, left out: 3; not read: rootfolder, deleteflag")
    assert findings.left_out == {}
    assert "pictures without species, which may be empty or not yet looked at: 1;" in findings.warnings[0]
    assert "pictures of several animals (a count above 1), each taken for one: 1; give" in findings.warnings[1]
    assert "names no cameras; if a folder of each path is one" in findings.warnings[2]


WI = "project_id,deployment_id,image_id,filename,location,is_blank,species,common_name,timestamp,individual_id,sequence_id\n"


def test_wildlife_insights_is_read_and_its_pictures_found(tmp_path):
    pictures(tmp_path, "cards/A/DCIM/1.JPG", "cards/B/1.JPG", "C/1.JPG", "x/2.JPG", "A/9.JPG")
    samples, findings = read(
        tmp_path / "images.csv",
        f"{WI}1,A,i1,1.JPG,gs://wi/1/a.jpg,0,angasii,Nyala,2026-04-01 21:07:06,Ann,s1\n"
        "1,deployment B,i2,1.JPG,gs://wi/7/cards/B/1.JPG,0,angasii,Nyala,2026-04-01 21:08:06,,\n"
        "1,C,i3,1.JPG,gs://wi/1/c.jpg,0,melampus,Impala,2026-04-01 21:08:06,,\n"
        "1,D,i4,2.JPG,gs://wi/1/d.jpg,0,,Nyala,2026-04-01 21:08:06,,\n"
        "1,D,i4,2.JPG,gs://wi/1/d.jpg,0,,Nyala,2026-04-01 21:08:06,,\n"
        "1,A,i5,9.JPG,gs://wi/1/e.jpg,1,,Blank,2026-04-01 21:08:06,,\n",
        category="Nyala",
    )
    assert samples.path == ("cards/A/DCIM/1.JPG", "cards/B/1.JPG", "x/2.JPG")
    assert samples.camera == ("A", "deployment B", "D")
    assert (samples.encounter >= 0).tolist() == [True, False, False]
    left_out = "empty pictures, left out: 1; rows that say the same of a picture, taken once: 1"
    assert findings.notes[0].endswith(f"sequence_id is encounter; {left_out}; not read: project_id, image_id, species")


def test_pictures_with_a_row_for_each_animal_are_taken_once_or_of_nobody(tmp_path):
    pictures(tmp_path, "A/1.JPG", "A/2.JPG", "A/3.JPG", "A/4.JPG")
    rows = [(1, "Ann"), (1, "Bo"), (2, ""), (2, "Ann"), (3, "Bo"), (4, "")]
    text = [f"1,A,i,{n}.JPG,gs://wi/1/a.jpg,0,angasii,Nyala,,{name},\n" for n, name in rows]
    samples, findings = read(tmp_path / "images.csv", WI + "".join(text))
    assert (samples.path, samples.identity) == (("A/2.JPG", "A/3.JPG", "A/4.JPG"), ("Ann", "Bo", ""))
    told = "rows left out: 2 of several individuals in one picture without boxes, 1 of pictures that are listed before"
    assert told in findings.notes
    assert findings.left_out == {}


def test_pictures_of_one_name_that_may_be_either_are_not_guessed(tmp_path):
    pictures(tmp_path, "x/1.JPG", "y/1.JPG")
    with pytest.raises(UsageError, match=r"line 2: 'A/1\.JPG' does not exist in "):
        read(tmp_path / "images.csv", f"{WI}1,A,i1,1.JPG,gs://wi/1/a.jpg,0,angasii,Nyala,,,\n")
    with pytest.raises(UsageError, match=r"all its pictures are empty \(1\);"):
        read(tmp_path / "images.csv", f"{WI}1,A,i1,1.JPG,gs://wi/1/a.jpg,1,,Blank,,,\n")


def test_a_picture_is_not_taken_for_one_of_another_deployment(tmp_path):
    rows = [f"1,{each},i{each},1.JPG,gs://wi/1/{each}.jpg,0,angasii,Nyala,,,\n" for each in "AB"]
    pictures(tmp_path, "A/1.JPG")
    with pytest.raises(UsageError, match=r"line 3: 'B/1\.JPG' does not exist in "):
        read(tmp_path / "images.csv", WI + "".join(rows))
    (tmp_path / "A").rename(tmp_path / "C")
    with pytest.raises(
        UsageError, match=r"line 3: pictures 'A/1\.JPG' and 'B/1\.JPG' come to one file, 'C/1\.JPG'; put"
    ):
        read(tmp_path / "images.csv", WI + "".join(rows))


def test_a_file_that_may_be_that_of_an_empty_picture_is_told(tmp_path):
    pictures(tmp_path, "1.JPG", "2.JPG")
    rows = ["1,A,i1,1.JPG,gs://wi/a.jpg,0,,Nyala,,,\n", "1,B,i2,1.JPG,gs://wi/b.jpg,1,,Blank,,,\n"]
    samples, findings = read(tmp_path / "images.csv", WI + "".join(rows))
    assert (samples.path, samples.camera) == (("1.JPG",), ("A",))
    (told,) = findings.warnings
    assert (
        "pictures whose file is that of an empty one, too: 1, the first '1.JPG'; if they are not the same, put" in told
    )


def test_a_table_of_a_program_beside_pictures_is_named(tmp_path):
    pictures(tmp_path, "A/1.JPG")
    (table := tmp_path / "TimelapseData.csv").write_text("File,RelativePath,DateTime\n1.JPG,A,\n")
    assert f"is not read: `dbc ingest {str(table)!r}` reads it" in recognise(tmp_path, []).why
    with pytest.raises(UsageError, match="is of Timelapse: `dbc ingest` reads it"):
        read_header(table)
    assert read_samples(table, parameters=IngestParameters(format="csv")).path == ("A/1.JPG",)


@pytest.mark.parametrize("header", ["File,RelativePath,Station", "path,pid,station", "path,identity,station"])
def test_a_pattern_for_cameras_goes_before_a_column_and_is_told(tmp_path, header):
    pictures(tmp_path, "A/1.JPG", "B/2.JPG")
    rows = ("1.JPG,A,S1\n2.JPG,B,S1\n", "A/1.JPG,x,S1\nB/2.JPG,y,S1\n")["path" in header]
    (tmp_path / "t.csv").write_text(f"{header}\n{rows}")
    asked = IngestParameters(format="csv" if "identity" not in header else "wildlife-datasets", camera_pattern="^(.)/")
    samples = read_samples(tmp_path / "t.csv", parameters=asked, findings=(findings := Findings()))
    assert samples.camera == ("A", "B")
    assert "camera by `camera_pattern`, in place of another that the source says: 2" in findings.notes
    assert not any("station" in note for note in findings.notes)


HERD = "File,RelativePath,Individual\n1.JPG,,Ayo\n2.JPG,,Duma\n3.JPG,,{}\n4.JPG,,Bibi\n"


@pytest.mark.parametrize(
    "cell", ["Ayo; Duma", "Ayo|Bibi", "Ayo & duma", "Ayo and Bibi", '"Ayo, Duma, Bibi"', "Ayo + Duma"]
)
def test_a_cell_that_names_several_individuals_is_no_individual(tmp_path, cell):
    pictures(tmp_path, *(f"{n}.JPG" for n in "1234"))
    samples, findings = read(tmp_path / "t.csv", HERD.format(cell))
    assert samples.identity == ("Ayo", "Duma", "", "Bibi")
    assert "that name several individuals, taken for unknown: 1 of 4, such as 'Ayo" in "".join(findings.warnings)


@pytest.mark.parametrize("cell", ['"Smith, Ayo"', "Ayo and Zed", "Land", "Kim; Zed"])
def test_a_name_of_parts_that_are_no_names_stays_one(tmp_path, cell):
    pictures(tmp_path, *(f"{n}.JPG" for n in "1234"))
    samples, findings = read(tmp_path / "t.csv", HERD.format(cell))
    assert samples.identity[2] == cell.strip('"')
    told = any(
        "with ; or |, each taken for one individual: 1, such as 'Kim; Zed'" in line for line in findings.warnings
    )
    assert told == (cell == "Kim; Zed")


@pytest.mark.parametrize("cell", ["Ayo;", "Ayo; NA", "Ayo;Ayo", "| Ayo", "Ayo; unknown"])
def test_one_name_beside_parts_that_are_none_is_that_individual(tmp_path, cell):
    pictures(tmp_path, *(f"{n}.JPG" for n in "1234"))
    samples, findings = read(tmp_path / "t.csv", HERD.format(cell))
    assert samples.identity == ("Ayo", "Duma", "Ayo", "Bibi")
    assert f"which is taken: 1, such as 'Ayo' for {cell!r}" in "".join(findings.warnings)


@pytest.mark.parametrize(
    ("cell", "name"), [("Ayo|left", "Ayo|left"), ("Ayo; Duma; Zed", ""), (";", ""), ("?;?", "?"), ("A+;", "A+;")]
)
def test_a_list_is_several_individuals_if_two_of_it_are_known(tmp_path, cell, name):
    pictures(tmp_path, *(f"{n}.JPG" for n in "1234"))
    samples, _ = read(tmp_path / "t.csv", HERD.format(cell))
    assert samples.identity[2] == name


def test_a_tracklet_of_one_and_of_several_individuals_is_told_as_it_is_written(tmp_path):
    pictures(tmp_path, "1.JPG", "2.JPG", "3.JPG")
    with pytest.raises(UsageError, match=r"line 3: identity 'Ayo; Duma' in tracklet 't', for which .* has 'Ayo'; give"):
        read(tmp_path / "t.csv", "path,identity,tracklet\n1.JPG,Ayo,t\n2.JPG,Ayo; Duma,t\n3.JPG,Duma,\n")


@pytest.mark.parametrize(
    ("date", "time", "read"),
    [
        ("2024-03-30", "20:10:05", "2024-03-30T20:10:05"),
        ("30.03.2024", "8:10", "2024-03-30T08:10:00"),
        ("30-Mar-2024", "20:10:05", "2024-03-30T20:10:05"),
        ("2024-03-30 00:00:00", "1899-12-30 20:10:05", "2024-03-30T20:10:05"),
        ("2024-03-30 07:15:00", "20:10", "2024-03-30T07:15:00"),
        ("2024-03-30", "", "2024-03-30T00:00:00"),
        ("2024-03-30", "dusk", "2024-03-30T00:00:00"),
        ("2024-03-30", "08:10 PM", "2024-03-30T20:10:00"),
        ("2024-03-30", "12:10 a.m.", "2024-03-30T00:10:00"),
        ("2024-03-30", "14:10 PM", "2024-03-30T00:00:00"),
        ("2024-03-30", "20.10", "2024-03-30T20:10:00"),
        ("2024-03-30", "7h15", "2024-03-30T07:15:00"),
        *(("2024-03-30", time, "2024-03-30T00:00:00") for time in ("7", "715", "1015", "14.5", '"14,35"', "24:10")),
        ("2024-03-30T00:00:00Z", "20:10", "2024-03-30T20:10:00+00:00"),
        ("2024-03-30T00:00:00Z", "20:10+02:00", "2024-03-30T20:10:00+02:00"),
        ("", "20:10", ""),
    ],
)
@pytest.mark.parametrize("header", ["path,identity,date,time", "path,pid,date,time", "File,RelativePath,Date,Time"])
def test_a_date_and_a_time_in_two_columns_are_one(tmp_path, header, date, time, read):
    pictures(tmp_path, "1.JPG", "2.JPG")
    second = ",," if "File" in header else ",Ann,"
    (table := tmp_path / "t.csv").write_text(f"{header}\n1.JPG{second}{date},{time}\n2.JPG{second}2024-03-31,06:00\n")
    findings = Findings()
    made = "wildlife-datasets" if "identity" in header else "csv"
    samples = read_samples(table, parameters=IngestParameters(format=made), findings=findings)
    assert samples.timestamp == (read, "2024-03-31T06:00:00")
    assert any("the columns date and time are joined to a time" in line for line in findings.notes)
    is_unread = read.endswith("T00:00:00") and time != ""
    assert any("not written as 07:15:00" in line for line in findings.warnings) == is_unread


@pytest.mark.parametrize(
    ("cells", "times"),
    [
        (("7.15", "08.20"), ("07:15", "08:20")),
        # seconds, parts of a day, and words
        *((cells, ("00:00", "00:00")) for cells in (("14.50", "99.20"), ("0.25", "0.30208"), ("dusk", "dawn"))),
    ],
)
def test_numbers_are_times_only_if_all_may_be_and_joined_is_said_only_if_one_is(tmp_path, cells, times):
    pictures(tmp_path, "1.JPG", "2.JPG")
    rows = "".join(f"{n}.JPG,2024-03-30,{cell}\n" for n, cell in enumerate(cells, 1))
    samples, findings = read(tmp_path / "t.csv", f"path,date,time\n{rows}")
    assert samples.timestamp == tuple(f"2024-03-30T{time}:00" for time in times)
    is_read = times[0] != "00:00"
    assert any("are joined to a time" in line for line in findings.notes) == is_read
    assert any("the column date is read as timestamp" in line for line in findings.notes) != is_read
    assert any("the day alone is known: 2, the first" in line for line in findings.warnings) != is_read


def test_a_time_without_a_date_is_a_column_that_is_not_read(tmp_path):
    pictures(tmp_path, "1.JPG")
    samples, findings = read(tmp_path / "t.csv", "path,time,timestamp,date\n1.JPG,7:15,2024-03-30 20:10,x\n")
    assert samples.timestamp == ("2024-03-30T20:10:00",)
    assert "ignoring the columns 'date', 'time'; known are" in findings.warnings[0]

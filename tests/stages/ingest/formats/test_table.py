"""CSV tables of images: every column, every way to write them, every refusal."""

from __future__ import annotations

import itertools
import random

import pytest
from box_sources import read_as, refusal

from schemas.parameters import IngestParameters
from stages.ingest.formats import image_root, read_samples
from stages.samples import GALLERY, QUERY, TRAIN, UNKNOWN


def write(root, text, *, name="samples.csv", images="abcdef"):
    root.mkdir(parents=True, exist_ok=True)
    for letter in images:
        (root / f"{letter}.jpg").write_bytes(b"x")
    (root / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return root


def read(source, **parameters):
    return read_samples(source, parameters=IngestParameters(format="csv", **parameters))


def columns(samples):
    return [
        (path, *(int(column[i]) for column in (samples.pid, samples.camid, samples.tracklet, samples.split)))
        for i, path in enumerate(samples.path)
    ]


def test_a_path_is_all_a_table_needs(tmp_path):
    write(tmp_path, "path\nb.jpg\na.jpg\n")
    assert columns(read(tmp_path)) == [
        ("a.jpg", UNKNOWN, UNKNOWN, UNKNOWN, TRAIN),
        ("b.jpg", UNKNOWN, UNKNOWN, UNKNOWN, TRAIN),
    ]


def test_every_column_is_read_and_empty_cells_are_unknown(tmp_path):
    write(
        tmp_path,
        "split,path,pid,note,camid,tracklet,junk,distractor\n"
        "train,a.jpg,7,hello,2,,,\nquery,b.jpg,,x,,4,0,0\ngallery,c.jpg,9,,0,,1,\ngallery,d.jpg,,,3,5,no,TRUE\n",
    )
    assert columns(read(tmp_path)) == [
        ("a.jpg", 7, 2, UNKNOWN, TRAIN),
        ("b.jpg", UNKNOWN, UNKNOWN, 4, QUERY),
        ("c.jpg", -1, 0, UNKNOWN, GALLERY),
        ("d.jpg", 0, 3, 5, GALLERY),
    ]


def test_names_are_numbered_in_sorted_order_and_junk_is_nobody(tmp_path):
    write(tmp_path, "path,pid,camid,junk\na.jpg,rex,north,0\nb.jpg,bello,east,0\nc.jpg,,north,1\nd.jpg,0,,0\n")
    samples = read(tmp_path, test_fraction=0)
    assert samples.pid.tolist() == [3, 2, -1, 1]
    assert samples.camid.tolist() == [2, 1, 2, UNKNOWN]


def test_whole_numbers_written_by_pandas_beside_gaps_are_numbers(tmp_path):
    write(tmp_path, "path,pid,camid\na.jpg,12.0,1.0\nb.jpg,,2.0\n")
    samples = read(tmp_path, test_fraction=0)
    assert samples.pid.tolist() == [12, UNKNOWN]
    assert samples.camid.tolist() == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfpath,pid\na.jpg,3\nb.jpg,4\n",
        b"path,pid\r\na.jpg,3\r\nb.jpg,4\r\n",
        b'"path","pid"\n"a.jpg","3"\n"b.jpg","4"',
        b" Path , PID \na.jpg, 3\n\n./b.jpg,4 \n",
    ],
    ids=["byte order mark", "CRLF", "quoted, no last line end", "blanks, capitals, empty line"],
)
def test_the_ways_programs_write_tables_read_the_same(tmp_path, text):
    write(tmp_path, text)
    samples = read(tmp_path)
    assert samples.path == ("a.jpg", "b.jpg")
    assert samples.pid.tolist() == [3, 4]


def test_paths_with_commas_quotes_and_blanks_are_read(tmp_path):
    names = ["a,b.jpg", 'say "x".jpg', " c .jpg"]
    write(tmp_path, 'path,pid\n"a,b.jpg",1\n"say ""x"".jpg",1\n c .jpg,1\n')
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    assert read(tmp_path, test_fraction=0).path == tuple(sorted(names))


@pytest.mark.parametrize("begin", ["sep=;\n", '"sep=;"\r\n'])
def test_the_line_that_tells_excel_what_separates_columns_is_passed_over(tmp_path, begin):
    write(tmp_path, f"{begin}path;pid\na.jpg;7\n")
    assert read(tmp_path).pid.tolist() == [7]
    write(tmp_path, f"{begin}path;pid\na.jpg;7\nlost.jpg;7\n")
    assert "line 4: 'lost.jpg' does not exist" in refusal(tmp_path, "csv")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("' a.jpg '", "without the blanks before or after it"),
        ("A.JPG", "it is there as 'a.jpg', so write capital and small letters"),
        ("No.jpg", None),
    ],
)
def test_a_path_that_is_nearly_that_of_a_picture_is_told_so(tmp_path, path, told):
    write(tmp_path, f"path\n{path.strip(chr(39))}\n")
    assert ("it is there" in refusal(tmp_path, "csv")) == (told is not None)
    assert (told or "") in refusal(tmp_path, "csv")


def test_names_that_differ_in_capitals_or_blanks_are_told_and_paths_are_not(tmp_path):
    write(tmp_path, "path,camid,pid\na.jpg,Cam1,7\nb.jpg,cam_1,007\nc.jpg,1-1,7.0\nd.jpg,11,x\n")
    _, findings = read_as(tmp_path, "csv")
    for line, names in zip(
        findings.warnings, ("pid ... 2, such as '7', '7.0'", "camid ... 2, such as 'Cam1', 'cam_1'"), strict=True
    ):
        told = f"names of {names}; each counts".replace("...", "that differ in capitals, blanks, dashes or .0 alone:")
        assert line.startswith(told)


def test_the_order_of_rows_does_not_matter(tmp_path):
    rows = [f"{i:03}.jpg,{i // 8},{i % 3},{i // 2}" for i in range(80)]
    images = [f"{i:03}" for i in range(80)]
    orders = [rows, rows[::-1], random.Random(1).sample(rows, len(rows))]
    read_back = []
    for k, order in enumerate(orders):
        text = "path,pid,camid,tracklet\n" + "\n".join(row.rsplit(",", 1)[0] + "," for row in order)
        read_back.append(read(write(tmp_path / str(k), text, images=images), test_fraction=0.5))
    assert columns(read_back[0]) == columns(read_back[1]) == columns(read_back[2])
    assert {int(kind) for kind in read_back[0].split} == {TRAIN, QUERY, GALLERY}


def test_rows_of_a_tracklet_are_the_frames_of_one_sample(tmp_path):
    rows = ["d.jpg,1,2,t1", "a.jpg,1,2,t1", "b.jpg,3,1,", "c.jpg,3,1,t0", "e.jpg,1,2,t1"]
    for order in itertools.islice(itertools.permutations(rows), 0, None, 7):
        write(tmp_path, "path,pid,camid,tracklet\n" + "\n".join(order))
        samples = read(tmp_path, test_fraction=0)
        assert samples.path == ("a.jpg", "d.jpg", "e.jpg", "b.jpg", "c.jpg")
        assert samples.frame_start.tolist() == [0, 3, 4, 5]
        assert samples.pid.tolist() == [1, 3, 3]
        assert samples.tracklet.tolist() == [2, UNKNOWN, 1]
        assert samples.tracklet_name == ("t1", "", "t0")


def test_a_frame_column_orders_the_frames(tmp_path):
    write(tmp_path, "path,tracklet,frame\na.jpg,1,10\nb.jpg,1,9\nc.jpg,,\nd.jpg,1,1\n")
    samples = read(tmp_path)
    assert samples.path == ("d.jpg", "b.jpg", "a.jpg", "c.jpg")
    assert samples.frame_start.tolist() == [0, 3, 4]
    assert samples.frame_number.tolist() == [1, 9, 10, -1]


@pytest.mark.parametrize(
    ("first_frames", "cameras", "are_times"),
    [
        ([7, 8], "cc", True),
        ([0, 0, 0], "ccc", True),
        ([0, 0, 0, 1], "cccc", True),
        ([0, 0, 0, 0], "cccd", True),
        ([0, 0, 0, 0], "cccc", False),
        ([1, 1, 1, 1, 1], "ccdcc", False),
    ],
)
def test_frames_that_all_tracklets_begin_with_are_no_times(tmp_path, first_frames, cameras, are_times):
    numbers = [first + step for first in first_frames for step in (0, 1)]
    rows = [f"{k}.jpg,{cameras[k // 2]},t{k // 2},{number}" for k, number in enumerate(numbers)]
    write(tmp_path, "path,camid,tracklet,frame\n" + "\n".join(rows), images=map(str, range(len(rows))))
    samples, findings = read_as(tmp_path, "csv")
    assert samples.frame_number.tolist() == (numbers if are_times else [])
    told = [
        warning for warning in findings.warnings if f"every tracklet begins with frame {first_frames[0]}, so" in warning
    ]
    assert len(told) == (not are_times)


def test_the_same_tracklet_in_two_splits_is_two_samples(tmp_path):
    write(tmp_path, "path,tracklet,split\na.jpg,1,train\nb.jpg,1,query\nc.jpg,1,train\n")
    samples = read(tmp_path)
    assert samples.path == ("a.jpg", "c.jpg", "b.jpg")
    assert samples.split.tolist() == [TRAIN, QUERY]


def test_the_source_may_be_the_table_or_the_folder_that_holds_it(tmp_path):
    write(tmp_path, "path\na.jpg\n", name="mine.csv")
    assert read(tmp_path).path == read(tmp_path / "mine.csv").path == ("a.jpg",)
    assert image_root(tmp_path) == image_root(tmp_path / "mine.csv") == tmp_path
    write(tmp_path, "path\nb.jpg\n")
    assert read(tmp_path).path == ("b.jpg",)


def test_an_absolute_path_below_the_table_is_stored_relative(tmp_path):
    write(tmp_path, f"path\n{tmp_path}/a.jpg\n")
    assert read(tmp_path).path == ("a.jpg",)


def test_a_folder_with_no_table_or_two_is_refused(tmp_path):
    assert "found 0 (none)" in refusal(tmp_path, "csv")
    write(tmp_path, "path\na.jpg\n", name="one.csv")
    write(tmp_path, "path\na.jpg\n", name="two.csv")
    assert "found 2 (one.csv, two.csv)" in refusal(tmp_path, "csv")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("animal,pid\na.jpg,1\n", "no column 'path' (columns found: animal, pid); name the column of image paths so"),
        (
            "Image Path\ta,b\tc\na.jpg,1\n",
            "(columns found: image path, a,b, c); rename 'image path' to path, if it holds",
        ),
        (
            "Filename;Individual ID;Weight, kg\na.jpg;1;2\n",
            "(columns found: filename, individual id, weight, kg); rename 'filename' to path, if it holds",
        ),
        ("path;score\na.jpg;1,950\n", "line 2: score '1,950' is not a number; write a point in place of the comma"),
        ("path;score\na.jpg;0,9,5\n", "line 2: score '0,9,5' is not a number; correct it"),
        ("", "no column 'path' (columns found: none)"),
        (",".join("abcdefghijklmnopqrstuvwxyz"), "r, s, t and 6 more)"),
        ("path,pid,pid\na.jpg,1,1\n", "column 'pid' more than once"),
        ("path\n", "no rows"),
        ("path,pid\na.jpg,1\nb.jpg,1,2\n", "line 3 has 3 cells under 2 columns"),
        ("path,pid\n,1\n", "line 2 has path ''"),
        ("path\na\0.jpg\n", "line 2 holds bytes 0"),
        ("path\n../a.jpg\n", "line 2: path '../a.jpg' leaves"),
        ("path\n/etc/a.jpg\n", "line 2: path '/etc/a.jpg' leaves"),
        ("path\nb.jpg\na.jpg\n./b.jpg\n", "line 2 are the same picture 'b.jpg'; keep one, or leave"),
        (
            "path\na.jpg\nz.jpg\ny.jpg\n",
            "line 4: 'y.jpg' does not exist in ",
        ),
        (
            "path\na.jpg\nz.jpg\ny.jpg\n",
            ", nor do 1 other of the 3 pictures, the next 'z.jpg'; restore it, or leave such pictures out with "
            "`on_bad_image='skip'`",
        ),
        ("path,split\na.jpg,Train\nb.jpg,val\n", "line 3: split 'val' is not train, query, gallery"),
        ("path,split\na.jpg,train\nb.jpg,\n", "line 3 has no split, and others have; give every row one, or none"),
        ("path,pid\nNA,1\n", "line 2 has path 'NA'"),
        ("path,junk\na.jpg,maybe\n", "line 2: junk 'maybe' is not 1 or 0"),
        ("path,junk,split\na.jpg,1,train\n", "line 2: junk belongs in the gallery"),
        ("path,junk,distractor\na.jpg,1,1\n", "line 2: distractor belongs in the gallery"),
        ("path,tracklet,pid\na.jpg,1,1\nb.jpg,1,2\n", "line 3: identity '2' in tracklet '1', for which "),
        ("path,tracklet,camid\na.jpg,1,1\nb.jpg,1,\n", "line 3: camera '' in tracklet '1', for which "),
        ("path,tracklet,frame\na.jpg,1,1\nb.jpg,1,two\n", "line 3: frame 'two' is not a whole number"),
        (
            "path,tracklet,frame\nb.jpg,t,3\nc.jpg,t,1\na.jpg,t,3.0\n",
            "line 4; give each tracklet a name of its own",
        ),
        (
            "path,tracklet,frame\nb.jpg,t,3\nc.jpg,t,1\na.jpg,t,3.0\n",
            "line 2: frame 3 is in tracklet 't' already, by ",
        ),
        (
            "path,tracklet,frame,x,y,w,h\na.jpg,t,3,1,1,9,9\nb.jpg,t,3,1,1,9,9\n",
            "line 3: frame 3 is in tracklet 't' already, by ",
        ),
        ('path\n"a.jpg\n', "line 2 is not CSV"),
        (b"path\n\xff.jpg\n", "not a UTF-8 CSV table"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_where_it_fails(tmp_path, text, told):
    write(tmp_path, text)
    message = refusal(tmp_path, "csv")
    assert told in message
    assert f"{tmp_path / 'samples.csv'}" in message


def test_paths_out_of_the_folder_are_taken_if_pictures_are_there_as_exports_of_several_sources_have_them(tmp_path):
    write(tmp_path / "card2", "path\n")
    (tmp_path / "card2" / "b.jpg").rename(tmp_path / "card2" / "b..jpg")
    source = write(tmp_path / "card1", "path\na.jpg\n../card2/b..jpg\n")
    assert sorted(read(source).path) == ["../card2/b..jpg", "a.jpg"]
    for path in ("../card2/z.jpg", "../card1/../card1/a.jpg", "x/../../card2/a.jpg"):
        assert "leaves the table's folder" in refusal(write(source, f"path\n{path}\n"), "csv")


def test_rows_with_fewer_cells_than_the_header_are_told(tmp_path):
    table = write(tmp_path, "path,pid,camid,view,\na.jpg,Ada,north,left\nb.jpg,north,left\nc.jpg,A") / "samples.csv"
    told = f"'{table}': rows with fewer cells than the header, taken for empty at their end: 2, the first line 3 (3 of 4); if"
    assert read_as(table, "csv")[1].warnings[0].startswith(told)


@pytest.mark.parametrize("twin", ["a-1\u200b", "a\u20131", "\u202aa-1", "a-\uff11", "\ufeffa-1"])
def test_names_that_look_alike_are_told(tmp_path, twin):
    table = write(tmp_path, f"path,pid\na.jpg,a-1\nb.jpg,{twin}\nc.jpg,b\n")
    assert "names of pid written in two ways that look alike: 1" in read_as(table, "csv")[1].warnings[0]


@pytest.mark.parametrize(
    "content",
    [
        "# made by me, 2024\npath,pid\n#1.jpg,1\n# the second\nb.jpg,2\n",
        "# path,pid\n#1.jpg,1\nb.jpg,2\n#",
        '\ufeff\ufeff"path",pid\n#1.jpg,1\n , \n\ufeffb.jpg,2\n,,,\n',
        "\n,\nsep=,\npath,pid\n#1.jpg,1\npath,pid\nb.jpg,2\n",
    ],
)
def test_lines_that_are_no_rows_are_passed_over(tmp_path, content):
    write(tmp_path, content)
    (tmp_path / "#1.jpg").touch()
    samples, findings = read_as(tmp_path, "csv")
    assert (samples.path, samples.identity) == (("#1.jpg", "b.jpg"), ("1", "2"))
    told = {
        "that begin with #": "\n#" in content.replace("\n#1", ""),
        "that repeat the header": content.count("pid") > 1,
    }
    expected = [f"lines taken for no rows: 1 {why}" for why, is_told in told.items() if is_told]
    assert [line.partition("': ")[2] for line in findings.warnings] == expected


@pytest.mark.parametrize("content", ["path,pid\na.jpg,1\0\n", "path,pid\na.jpg,1\n\0\0\0"])
def test_bytes_0_are_refused(tmp_path, content):
    assert "holds bytes 0, as a file does that was not written to its end" in refusal(write(tmp_path, content), "csv")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("path\nhttps://x.org/z.jpg\n", "it is an address: download the pictures, and write where they are"),
        ("path\nC:\\data\\z.jpg\n", "it begins with a drive of Windows: write paths from the folder"),
        ("path\nC:\\data\\a.jpg\n", "is there without 'C:/data/': if it is the picture, take that off all paths"),
        ("path\ncard/a.jpg\n", "is there without 'card/': if it is the picture, take that off all paths"),
        ("path\n/mnt/card/a.jpg\n", "is there without '/mnt/card/': if it is the picture, take that off all paths"),
        (
            "Nyala 2024;;\n;;\nIdentity;Path;view\nx;a.jpg;\n",
            "(columns found: nyala 2024); line 3 seems to be the header: take",
        ),
        (
            ",,site\nFile,RelativePath,Count\na.jpg,,1\n",
            "(columns found: site); line 2 seems to be the header: take",
        ),
        ("a.jpg,1\nb.jpg,2\n", "write the names of the columns above its first line, such as path,pid"),
    ],
)
def test_what_is_wrong_with_a_table_is_told_with_what_to_do(tmp_path, content, told):
    assert told in refusal(write(tmp_path, content), "csv")


@pytest.mark.parametrize("name", ["1.2E+05", "1,2E+11", "1-Feb", "12-Dec"])
def test_names_that_excel_changed_are_told(tmp_path, name):
    table = write(tmp_path, f'path,pid\na.jpg,"{name}"\nb.jpg,"{name}"\nc.jpg,Feb\n')
    (warning,) = read_as(table, "csv")[1].warnings
    assert f"so that one may stand for several: 1, such as '{name}'" in warning


def test_rows_that_say_the_same_are_one_if_bad_images_are_skipped(tmp_path):
    write(tmp_path, "path,pid\na.jpg,1\nb.jpg,2\na.jpg,1\n")
    assert "keep one, or leave copies out with `on_bad_image='skip'`" in refusal(tmp_path, "csv")
    samples, findings = read_as(tmp_path, "csv", on_bad_image="skip")
    assert samples.path == ("a.jpg", "b.jpg")
    assert "2 images of 2 pictures or frames; left out: 1 that are there before" in findings.notes
    told = "line 2 are the same picture 'a.jpg', of which they say identity '2' and '1'; keep one, or give each its box"
    assert told in refusal(write(tmp_path, "path,pid\na.jpg,1\nb.jpg,2\na.jpg,2\n"), "csv", on_bad_image="skip")

"""`dbc report` on a small run, with and without identities."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from dbc_cli.commands.report import save_picture
from dbc_cli.console import text_of
from stages.errors import UsageError
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import NETWORK, Dbc, copied, made, merged_crops


@pytest.fixture(scope="module")
def merged_once(begun: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copied(begun.parent, tmp_path_factory.mktemp("merged"))
    made(folder, ["merge", "--merge-percent", "0.4"])
    return folder


@pytest.fixture
def merged(merged_once: Path, tmp_path: Path) -> Path:
    return copied(merged_once, tmp_path) / "run"


def test_tables_and_json_say_the_same_and_the_picture_opens(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "clusters.png"
    told = dbc("report", "--run", merged, "--top", "3", "--out", picture, "--draw", "largest", "--json").json
    shown = dbc("report", "--run", merged, "--top", "3", "--columns", "5", "--map", "pca")
    assert shown.status == 0
    for option, other in (("--columns 5", "--out"), ("--map pca", "--html")):
        assert f"{option} has no effect: it needs {other}" in shown.err
    assert f"{told['n_clusters']} clusters from {told['n_merges']} merges" in shown.out
    for row in told["largest"]:
        assert text_of(row["spread"]) in shown.out
    assert sum(row["n_clusters"] for row in told["by_size"]) == told["n_clusters"]
    assert "worst" in told
    n_several = sum(row["n_clusters"] for row in told["by_size"] if row["smallest"] > 1)
    assert f"loosest clusters ({len(told['loosest'])} of {n_several})" in shown.out.splitlines()
    assert (
        f"chains: clusters that grew a little at a time ({len(told['chained'])} of" in shown.out or not told["chained"]
    )
    assert f"took: {told['same_camera_merges']:.3f}; chance would give {told['same_camera_chance']:.3f}" in shown.out
    measured = dbc("eval", "--run", merged, "--json").json
    for name in ("same_camera_merges", "same_camera_chance"):
        assert told[name] == measured[name]
        assert 0 <= told[name] <= 1
    with Image.open(picture) as image:
        assert image.height > 3 * 96


@pytest.mark.parametrize(
    ("name", "written"), [("c.png", "PNG"), ("c.jpg", "JPEG"), ("c.JPEG", "JPEG"), ("c.webp", "WEBP")]
)
def test_a_picture_is_what_its_name_says(dbc: Dbc, merged: Path, name: str, written: str) -> None:
    result = dbc("report", "--run", merged, "--draw", "largest", "--top", "2", "--out", name)
    assert f"picture: {name} (red: another identity than most)" in result.out
    with Image.open(name) as image:
        assert image.format == written


@pytest.mark.parametrize(("name", "longest"), [("c.webp", 16383), ("c.jpg", 65500), ("c.jpeg", 65500), ("c.png", None)])
def test_a_picture_too_large_for_its_format_is_refused_with_what_would_do(
    tmp_path: Path, name: str, longest: int | None
) -> None:
    fitting = Image.new("RGB", (1, longest or 70000))
    save_picture(fitting, tmp_path / name, overwrite=False)
    with Image.open(tmp_path / name) as image:
        assert image.size == fitting.size
    if longest is not None:
        wanted = (
            f"at most {longest} pixels a side in .*, got .* × 1; give a smaller --top or --columns, .* ends in .png"
        )
        with pytest.raises(UsageError, match=wanted):
            save_picture(Image.new("RGB", (longest + 1, 1)), tmp_path / "new" / name, overwrite=False)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["c.tiff", "c", "folder", "folder.png"])
def test_a_picture_of_another_format_is_refused_before_anything_is_shown(dbc: Dbc, merged: Path, name: str) -> None:
    if name.startswith("folder"):
        Path(name).mkdir()
    result = dbc("report", "--run", merged, "--out", name)
    assert (result.status, result.out) == (2, "")
    assert result.line.startswith(f"dbc report: --out must end in .png, .jpg, .jpeg, .webp, .html, .htm, got {name}")


def test_a_picture_that_is_there_is_replaced_only_if_asked(dbc: Dbc, merged: Path) -> None:
    ask = ["report", "--run", merged, "--draw", "largest", "--top", "1", "--out", "mine.png"]
    Path("mine.png").write_text("mine")
    refused = dbc(*ask)
    assert (refused.status, refused.out, Path("mine.png").read_text()) == (2, "", "mine")
    told = "dbc report: --out must be a new file, got mine.png, which is there; give another, or --overwrite"
    assert refused.line == told
    assert dbc(*ask, "--overwrite").status == 0
    with Image.open("mine.png") as image:
        assert image.format == "PNG"


def test_what_cannot_be_reported_is_told_in_one_line(dbc: Dbc, merged: Path) -> None:
    assert "no clusters at stage 0" in dbc("report", "--run", merged, "--stage", "0").line
    assert "no clusters at stage init" in dbc("report", "--run", merged, "--stage", "init").line
    assert "--top must be at least 1, got 0" in dbc("report", "--run", merged, "--top", "0").line
    (merged / "taken").write_text("")
    refused = dbc("report", "--run", merged, "--draw", "largest", "--out", merged / "taken" / "a.png")
    assert refused.status == 1
    assert "cannot be written" in refused.line


def test_where_no_cluster_is_wrong_the_largest_are_drawn(dbc: Dbc, tmp_path: Path) -> None:
    for name, level in (("a", 0), ("b", 250)):
        (tmp_path / "named" / name).mkdir(parents=True)
        for place in (0, 1):
            Image.new("RGB", (32, 32), (level, place, 99)).save(tmp_path / "named" / name / f"{place}.png")
    own = tmp_path / "r"
    assert (
        dbc("ingest", tmp_path / "named", "--folder-identities", "--height", "32", "--width", "32", "--run", own).status
        == 0
    )
    assert dbc("extract", *NETWORK, "--run", own).status == 0
    assert dbc("merge", "--merge-percent", "0.5", "--whiten", "0", "--camera", "ignored", "--run", own).status == 0
    drawn = dbc("report", "--out", "a.png", "--run", own)
    assert drawn.status == 0, drawn.err
    assert "there are no clusters with other identities in them at stage 1, so the largest are drawn" in drawn.err


def test_reranking_makes_a_version_of_its_own_and_the_default_keeps_its_id(dbc: Dbc, merged: Path) -> None:
    plain = dbc("eval", "--run", merged, "--json").json
    reranked = dbc("eval", "--run", merged, "--rerank", "--rerank-k1", "4", "--rerank-k2", "2", "--json").json
    assert (reranked["version"], reranked["parameters"]["rerank_k1"]) == (2, 4)
    assert dbc("eval", "--run", merged, "--json").json["id"] == plain["id"]
    assert 0 <= plain["same_camera_merges"] <= 1
    assert 0 < plain["same_camera_chance"] < 1


def test_a_picture_that_wants_identities_is_refused_with_that_reason_where_there_are_none(
    dbc: Dbc, tmp_path: Path
) -> None:
    unnamed = merged_crops(tmp_path, size=(32, 32), levels=range(0, 240, 60), merge_percent="0.25")
    refused = dbc("report", "--draw", "worst", "--out", tmp_path / "a.png", "--run", unnamed)
    assert refused.status == 1
    assert "whose samples have no identities; draw others" in refused.line
    assert "--draw largest" in refused.line
    chained = dbc("report", "--draw", "chained", "--out", tmp_path / "a.png", "--run", unnamed)
    assert "there are no chains: clusters that grew a little at a time at stage" in chained.line
    drawn = dbc("report", "--out", tmp_path / "a.png", "--run", unnamed)
    assert "a.png (no identities, no red frames)" in drawn.out
    assert "one camera took" not in drawn.out


NASTY = ['"><img src=x onerror=alert(1)>', "<script>alert('x')&amp;", "\u202egnp.live שלום"]


@pytest.fixture
def nasty(dbc: Dbc, tmp_path: Path) -> Path:
    """A merged run whose identities and files are called what markup and right-to-left text look like."""
    rows = ["path,pid,camid,split"]
    (tmp_path / "pictures").mkdir()
    for place, name in enumerate(NASTY * 2):
        file = f"{place} {name.replace('/', '')}.png"
        Image.new("RGB", (32, 32), (40 * place, 90, 200 - 30 * place)).save(tmp_path / "pictures" / file)
        # of the last one nothing is known
        quoted = name.replace('"', '""') if place < 5 else ""
        rows.append(f'"pictures/{file.replace(chr(34), chr(34) * 2)}","{quoted}","{quoted}",train')
    (tmp_path / "samples.csv").write_text("\n".join(rows))
    run = tmp_path / "nasty"
    for command in (
        ["ingest", tmp_path / "samples.csv", "--height", "32", "--width", "32"],
        ["extract", *NETWORK],
        ["merge", "--merge-percent", "0.4"],
    ):
        ran = dbc(*command, "--run", run)
        assert ran.status == 0, ran.err
    return run


def test_a_page_shows_names_as_text_and_loads_nothing(dbc: Dbc, nasty: Path, tmp_path: Path) -> None:
    page = tmp_path / "pages" / "report.html"
    told = dbc("report", "--run", nasty, "--html", page, "--json")
    assert told.status == 0, told.err
    assert told.json["page"] == page.as_posix()
    text = page.read_text()
    assert "<img" not in text
    assert "<script>alert" not in text
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    shown = json.loads(data)
    assert set(shown["identities"]) == set(shown["cameras"]) == set(NASTY)
    assert {row["identity"] for row in told.json["largest"]} - {None} <= set(NASTY)
    assert sorted(row for cluster in shown["clusters"] for row in cluster["members"]) == shown["samples"]["row"]
    assert len(shown["pictures"]) == 6
    assert len(shown["merges"]["rows"]) == told.json["n_merges"]
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]
    pairs = tmp_path / "pages" / "review.html"
    assert dbc("review", "--run", nasty, "--static", pairs).status == 0
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium that shows both pages")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--enable-logging=stderr",
        f"--user-data-dir={tmp_path}/b",
    ]
    for file in (page, pairs):
        ran = subprocess.run(
            [browser, *options, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=60, check=True
        )
        seen = re.sub(r"<script.*?</script>", "", ran.stdout, flags=re.DOTALL)
        assert seen.count('<img src="data:image') >= 2
        assert not re.search("<img src=x|<script|\u202e", seen)
        assert re.search(r"&lt;img src=x|&lt;script|\\u202e", seen)
        assert "CONSOLE" not in ran.stderr, ran.stderr


def test_a_page_has_queries_curves_and_what_was_run(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    assert dbc("eval", "--run", merged).status == 0
    assert dbc("merge", "--stage", "2", "--merge-percent", "0.2", "--run", merged).status == 0
    page = tmp_path / "report.html"
    told = dbc("report", "--run", merged, "--stage", "1", "--out", page, "--map", "pca")
    assert told.out.splitlines()[-1] == f"page: {page}"
    text = page.read_text()
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    shown = json.loads(data)
    assert {each["group"] for each in shown["lists"]} == {"best", "worst", "random"}
    assert shown["map"]["method"] == "pca"
    assert shown["samples"]["view"] is None
    assert text.count("<svg") >= 2
    for told_of in ("stage-01/clusters/v1.zarr", "dataset/v1.zarr", "merge_percent", "scikit-learn"):
        assert told_of in text
    # how far to trust them stands beside the clusters that it is about, and who had a part in them
    assert ("How far to trust these clusters: " in text, "a person" in text) == (True, False)
    path = [each for each in RunDirectory(merged).require("dataset").read("path").tolist() if "_train" in each]
    (merged / "constraints.csv").write_text(f"path_a,path_b,answer\n{path[0]},{path[1]},different\n")
    assert dbc("merge", "--stage", "2", "--start", "reviewed", "--run", merged).status == 0
    told = dbc("report", "--run", merged, "--stage", "2", "--out", page, "--map", "none", "--overwrite").out
    assert not {"merges", "depth", "joins"} & set(told.split())
    assert "corrected by a person&#x27;s answers: 0 that two are the same, 1 that they differ" in page.read_text()


def test_a_page_has_as_many_pictures_as_fit_the_most_wanted_first(run: Path) -> None:
    from stages.pages.pictures import thumbnails

    dataset = RunDirectory(run).require("dataset")
    wanted = [7, 3, 30, 3, *range(32)]
    everything = thumbnails(dataset, wanted, most_bytes=1_000_000)
    assert (len(everything.of), everything.n_left_out) == (32, 0)
    n_bytes = sum(map(len, everything.of.values()))
    some = thumbnails(dataset, wanted, most_bytes=n_bytes // 4)
    assert {7, 3, 30} <= set(some.of) < set(everything.of)
    assert sum(map(len, some.of.values())) <= n_bytes // 4
    assert len(some.of) + some.n_left_out == 32
    assert thumbnails(dataset, wanted, most_bytes=0).of == {}
    assert thumbnails(dataset, [], most_bytes=1000).of == {}


def test_a_page_shows_figures_of_its_own_clusters_alone(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    assert dbc("eval", "--run", merged).status == 0
    again = ["merge", "--stage", "1", "--merge-percent", "0.2", "--run", merged]
    assert dbc(*again).status == 0
    page = ["report", "--run", merged, "--stage", "1", "--map", "none", "--overwrite", "--html", tmp_path / "a.html"]
    told = dbc(*page)
    assert "no figures and ranked lists of these clusters; measure them with: dbc eval --stage 1" in told.err
    assert "stage-01/metrics" not in (tmp_path / "a.html").read_text()
    # which have no part in what lies in the run
    ids = tmp_path / "ids.csv"
    ids.write_text(f"path,identity\n{RunDirectory(merged).require('dataset').read('path')[0]},Kira\n")
    assert dbc("eval", "--run", merged, "--stage", "1", "--ids", ids).status == 0
    told = dbc(*page)
    assert "no figures" not in told.err
    assert "ranked lists go by the identities of the data set, and figures go by those that --ids gave" in told.err
    text = (tmp_path / "a.html").read_text()
    assert "stage-01/metrics/v2.zarr" in text
    assert "stage-01/metrics/v1.zarr" not in text
    pinned = dbc(*page, "--clusters", "v1")
    assert (pinned.status, "no figures" in pinned.err) == (0, False), pinned.err
    assert "stage-01/metrics/v1.zarr" in (tmp_path / "a.html").read_text()


def test_where_a_page_may_not_be_written_is_told_before_anything_is_made(dbc: Dbc, merged: Path) -> None:
    Path("there.html").write_text("mine")
    for arguments, wanted in (
        (["--html", "there.html"], "--html must be a new file, got there.html"),
        (["--html", "a.png"], "--html must end in .html, .htm, got a.png"),
        (["--html", "a.html", "--out", "b.html"], "--out must be a picture if --html is given"),
        (["--html", "a.html", "--page-mb", "0"], "--page-mb must be at least 1, got 0"),
    ):
        refused = dbc("report", "--run", merged, *arguments)
        assert (refused.status, refused.out) == (2, "")
        assert wanted in refused.line
    assert Path("there.html").read_text() == "mine"

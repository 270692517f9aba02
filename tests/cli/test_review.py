"""`dbc review`: a page to save, a server that only its own page can use, and two people's answers in one file."""

from __future__ import annotations

import http.client
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from stages.constraints.stage import labels_of
from stages.errors import UsageError
from stages.pages.review import Review, open_review
from stages.pages.review_server import serving
from stages.reporting import SILENT
from stages.review.count_stage import draws_of
from stages.runs.run_directory import RunDirectory
from tests.cli.conftest import NETWORK, Dbc


@pytest.fixture
def merged(dbc: Dbc, run: Path) -> Path:
    assert dbc("merge", "--merge-percent", "0.4", "--run", run).status == 0
    return run


def test_the_cut_is_of_one_unit_with_the_distances_that_pairs_are_ordered_by(dbc: Dbc, run: Path) -> None:
    assert dbc("merge", "--merge-percent", "0.8", "--intra-normalizer", "n", "--run", run).status == 0
    review = open_review(RunDirectory(run), stage=1, file=run / "constraints.csv", reporter=SILENT)
    inside = [groups.distance for groups in review.groups or () if groups.are_one]
    assert review.cut is not None
    # D of the merge, whose penalty grows with the sizes, is far above
    assert min(inside) < review.cut < 1.05 * max(inside)


class Page:
    """The requests of a page at `address`."""

    def __init__(self, address: str) -> None:
        self.parts = urlsplit(address)

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.parts.port or 0, timeout=20)
        try:
            sent = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            if body is not None:
                given.setdefault("Content-Type", "application/json")
            connection.request(method, path, sent, given)
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        status, content, _ = self.ask("POST", self.parts.path + path, body, **headers)
        return status, json.loads(content) if content.startswith((b"{", b"[")) else content


@pytest.fixture
def page(merged: Path) -> Iterator[Page]:
    review = open_review(RunDirectory(merged), stage=1, file=merged / "constraints.csv", reporter=SILENT)
    with serving(review) as address:
        yield Page(address)


def test_an_answer_that_is_being_saved_at_the_end_is_saved_and_counted(
    merged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = open_review(RunDirectory(merged), stage=1, file=merged / "constraints.csv", reporter=SILENT)
    begun, add = threading.Event(), review.book.add

    def slowly(*told: Any) -> None:
        begun.set()
        time.sleep(0.3)
        add(*told)

    monkeypatch.setattr(review.book, "add", slowly)
    with serving(review) as address:
        body = {"first": 0, "second": 1, "answer": "unsure"}
        threading.Thread(target=Page(address).post, args=("answer", body)).start()
        assert begun.wait(20)
    assert review.book.n_given == len(review.book.rows()) == 1


def data_of(text: str) -> Any:
    (found,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, flags=re.DOTALL)
    return json.loads(found)


def test_answers_are_saved_taken_back_and_refused_if_they_contradict(page: Page, merged: Path) -> None:
    status, text, headers = page.ask("GET", page.parts.path)
    assert (status, headers["X-Frame-Options"], headers["Cache-Control"]) == (200, "DENY", "no-store")
    pairs = data_of(text.decode())["pairs"]
    first, second = pairs[0]["first"], pairs[0]["second"]
    (image,) = data_of(text.decode())["frames"][str(first)]
    status, picture, headers = page.ask("GET", f"{page.parts.path}picture/{image}")
    assert (status, picture[:4], headers["Content-Type"]) == (200, b"RIFF", "image/webp")
    asked = {"first": first, "second": second}
    assert page.post("answer", {**asked, "answer": "same"}) == (200, {"given": 1})
    saved = (merged / "constraints.csv").read_text().splitlines()
    assert saved[0] == "path_a,path_b,answer"
    assert saved[1].endswith(",same")
    status, told = page.post("answer", {**asked, "answer": "different"})
    assert status == 409
    assert "'different' contradicts other answers" in told["problem"]
    status, more = page.post("more", {})
    assert [first, second] not in [[pair["first"], pair["second"]] for pair in more["pairs"]]
    assert page.post("undo", asked)[0] == 400
    assert page.post("undo", {**asked, "answer": "same"}) == (200, {"given": 0})
    assert page.post("undo", {**asked, "answer": "same"})[0] == 409
    assert (merged / "constraints.csv").read_text().splitlines() == saved[:1]
    # a page that is loaded lists the answers of the file; a bad row is told in words
    (merged / "constraints.csv").write_text("\n".join(saved))
    shown = data_of(page.ask("GET", page.parts.path)[1].decode())
    assert shown["told"] == [[first, second, "same"]]
    assert {str(first), str(second)} <= set(shown["names"]) & set(shown["frames"])
    (merged / "constraints.csv").write_text("\n".join([*saved, "nowhere.jpg,x.jpg,same"]))
    status, text, headers = page.ask("GET", page.parts.path)
    assert (status, headers["Content-Type"]) == (409, "text/plain; charset=utf-8")
    assert b"line 3" in text


def test_no_other_page_can_read_or_send_anything(page: Page, merged: Path) -> None:
    own, port = page.parts.path, page.parts.port
    for path in (
        "/",
        "/wrong/",
        own.rstrip("/")[:-1] + "/",
        "/favicon.ico",
        f"{own}picture/-1",
        f"{own}picture/99999",
        f"{own}x",
    ):
        assert page.ask("GET", path)[0] == 404, path
    assert page.ask("GET", own, Host="evil.example")[0] == 403
    assert page.ask("GET", own, Host=f"evil.example:{port}")[0] == 403
    asked = {"first": 0, "second": 1, "answer": "same"}
    refused = {
        403: [
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Host": "evil"},
        ],
        415: [{"Content_Type": "text/plain"}, {"Content_Type": "application/x-www-form-urlencoded"}],
    }
    for status, attempts in refused.items():
        for headers in attempts:
            assert page.post("answer", asked, **headers)[0] == status, headers
    status, told, _ = page.ask("POST", "/wrong/answer", asked)
    assert (status, "open the one that it printed" in json.loads(told)["problem"]) == (404, True)
    assert page.post("answer", b"x" * 20_000)[0] == 413
    wrong: list[object] = [b"{", [], {}, {**asked, "answer": "x"}, {**asked, "second": 0}, {**asked, "first": -1}]
    for body in [*wrong, {**asked, "first": True}, {**asked, "second": 10**9}, {**asked, "first": "0"}]:
        assert page.post("answer", body)[0] == 400, body
    assert not (merged / "constraints.csv").exists()
    assert page.post("answer", asked, Origin=f"http://127.0.0.1:{port}", Sec_Fetch_Site="same-origin")[0] == 200


def test_a_page_without_a_server_has_its_pictures_and_no_identities(dbc: Dbc, merged: Path, tmp_path: Path) -> None:
    told = dbc("review", "--run", merged, "--static", tmp_path / "review.html", "--pairs", "4", "--json")
    assert told.status == 0, told.err
    text = (tmp_path / "review.html").read_text()
    shown = data_of(text)
    assert 1 <= len(shown["pairs"]) <= 4
    for pair in shown["pairs"]:
        for place in (pair["first"], pair["second"], *pair["othersFirst"], *pair["othersSecond"]):
            assert {str(image) for image in shown["frames"][str(place)]} <= set(shown["pictures"])
    assert "identities" not in shown
    assert "connect-src 'none'" in text
    again = dbc("review", "--run", merged, "--static", tmp_path / "review.html")
    assert (again.status, "--static must be a new file" in again.line) == (2, True)


def test_answers_count_in_what_comes_next(dbc: Dbc, merged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dbc_cli.commands.review._wait_for_the_end", lambda: None)
    first = open_review(RunDirectory(merged), stage=1, file=merged / "constraints.csv", reporter=SILENT)
    pair = first.next_pairs(1)[0]
    first.book.add(pair.first, pair.second, "different")
    told = dbc("review", "--run", merged, "--json")
    assert told.json == {
        "run": merged.as_posix(),
        "answers": (merged / "constraints.csv").as_posix(),
        "given": 0,
        "in_file": 1,
        "notes": [],
    }
    assert "open in a browser of this machine: http://127.0.0.1:" in told.err


@pytest.mark.parametrize("known", [("--view", "apart"), ("--encounter", "joined")])
def test_corrections_and_pairs_keep_to_encounters_and_views(dbc: Dbc, tmp_path: Path, known: tuple[str, str]) -> None:
    # six encounters of two flanks each; as many merges as leave clusters of several encounters
    rng = np.random.default_rng(0)
    rows = [f"{i}.png,{i // 2},{('left', 'right')[i % 2]}" for i in range(12)]
    (tmp_path / "samples.csv").write_text("\n".join(["path,encounter,view", *rows]))
    for i in range(12):
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    place = ("--run", tmp_path / "run")
    assert dbc("ingest", tmp_path / "samples.csv", "--height", "16", "--width", "16", *place).status == 0
    assert dbc("extract", *NETWORK, *place).status == 0
    labels = tmp_path / "ids.csv"
    labels.write_text("path,identity\n0.png,Kira\n2.png,Zuri\n")
    assert dbc("merge", "--merge-percent", "0.75", "--labels", labels, *known, *place).status == 0
    run = RunDirectory(tmp_path / "run")
    drawn = draws_of(run, 1, n_answers=20, seed=0).pairs().tolist()

    def opened() -> Review:
        return open_review(run, stage=1, file=tmp_path / "run" / "constraints.csv", reporter=SILENT)

    encounter, view = (run.require("dataset").read(name) for name in ("encounter", "view"))
    zero, two = (opened().names.index(f"{number}.png") for number in (0, 2))
    for _ in range(2):
        review = opened()
        pairs = review.next_pairs(30)
        assert pairs
        assert all(encounter[pair.first] != encounter[pair.second] for pair in pairs)
        # what labels say is not asked about, and cannot be denied
        assert all(
            {encounter[pair.first], encounter[pair.second]} != {encounter[zero], encounter[two]} for pair in pairs
        )
        assert known == ("--encounter", "joined") or all(view[pair.first] == view[pair.second] for pair in pairs)
        inside = next(
            pair for pair in pairs if review.reported.labels[pair.first] == review.reported.labels[pair.second]
        )
        review.book.add(inside.first, inside.second, "different")
        assert dbc("merge", "--start", "reviewed", *place).status == 0
        labels = opened().reported.labels
        assert labels[inside.first] != labels[inside.second]
        assert all(len(set(labels[encounter == one].tolist())) == 1 for one in range(6))
        # labels hold on, and a count draws the pairs that it drew before
        assert labels_of(run, run.require("clusters", 1)).max() == 1
        assert draws_of(run, 1, n_answers=20, seed=0).pairs().tolist() == drawn
    book = opened().book
    with pytest.raises(UsageError, match="'same' contradicts other answers, labels or the data"):
        book.add(zero, two, "same")


def test_two_files_are_joined_and_conflicts_are_shown(dbc: Dbc) -> None:
    Path("a.csv").write_text("path_a,path_b,answer\n1.jpg,2.jpg,same\n3.jpg,4.jpg,same\n5.jpg,6.jpg,unsure\n")
    Path("b.csv").write_text("path_a,path_b,answer\n2.jpg,1.jpg,different\n4.jpg,3.jpg,same\n5.jpg,6.jpg,different\n")
    joined = dbc("review", "--join", "a.csv", "b.csv", "--out", "c.csv")
    assert joined.status == 0, joined.err
    assert "c.csv: 2 answers, 1 of them given by both" in joined.out
    assert "1.jpg = 2.jpg, but 1.jpg ≠ 2.jpg" in joined.out
    assert Path("c.csv").read_text().splitlines()[1:] == ["3.jpg,4.jpg,same", "5.jpg,6.jpg,different"]
    Path("d.csv").write_text("path_a,path_b,answer\n1.jpg,2.jpg,different\n3.jpg,4.jpg,different\n")
    Path("e.csv").write_text("path_a,path_b,answer\n1.jpg,2.jpg,same\n3.jpg,4.jpg,same\n")
    nothing = dbc("review", "--join", "d.csv", "e.csv", "--out", "f.csv", "--json")
    assert (nothing.json["out"], len(nothing.json["conflicts"]), Path("f.csv").exists()) == (None, 2, False)
    assert nothing.json["notes"] == ["there is nothing to list, so f.csv is not written"]
    assert dbc("review", "--join", "a.csv", "b.csv").status == 2
    assert dbc("review", "--out", "c.csv").status == 2
    assert "no run found" in dbc("review").line


def test_answers_that_cannot_be_saved_are_refused_before_the_page_is_served(dbc: Dbc, merged: Path) -> None:
    (merged / "taken").write_text("")
    refused = dbc("review", "--answers", merged / "taken" / "constraints.csv", "--stage", "1", "--run", merged)
    assert refused.status == 1
    assert "cannot be written" in refused.line
    assert "open in a browser" not in refused.err

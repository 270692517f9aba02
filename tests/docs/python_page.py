"""The code of `docs/python.md`, for mypy; `test_python.py` writes it."""
# ruff: noqa
# fmt: off

from schemas.parameters import EvaluateParameters, ExtractParameters, IngestParameters, MergeParameters
from schemas.recipes import evaluation_of, extraction_of, merging_of, network_of
from stages.evaluate.stage import evaluate
from stages.extract.stage import extract
from stages.ingest.stage import ingest
from stages.loop.choice.stage import judge
from stages.loop.last_clusters import asked_merge
from stages.merge.stage import merge
from stages.runs.run_directory import RunDirectory, metrics_manifest
from stages.train.stage import train

run = RunDirectory("runs/notebook")
initial = network_of("tuned") | {"backbone": "resnet10", "weights": "none"}
training = {"recipe": "tuned", "epochs": 1}
features = ExtractParameters(**extraction_of("tuned"))
merging = MergeParameters(**merging_of("tuned") | {"merge_percent": 0.25})

ingest(run, source="photos", parameters=IngestParameters(format="folder", height=32, width=32))
train(run, stage=0, overrides=training, initial=initial)
for stage in (1, 2):
    extract(run, stage=stage - 1, parameters=features, initial=initial)
    merge(run, stage=stage, parameters=merging)
    train(run, stage=stage, overrides=training, initial=initial)
extract(run, stage=2, parameters=features, initial=initial)

stage, last = asked_merge(run, merging, "auto")  # or a number of clusters
ending = merging.model_copy(update={"n_clusters": last.n_clusters})
merge(run, stage=stage, from_stage=last.from_stage, parameters=ending)
evaluate(run, stage=stage, parameters=EvaluateParameters(**evaluation_of("tuned")))

clusters = run.require("clusters", stage)
print(clusters.manifest.id, clusters.read("labels"))
figures = metrics_manifest(run.require("metrics", stage)).summary
print(figures.n_clusters, figures.silhouette)
verdict = judge(run)
if verdict is not None:
    print(verdict.helped, verdict.line, verdict.warnings, verdict.trust, sep="\n")

dataset = run.require("dataset")
is_train = dataset.read("split") == 0
first_image = dataset.read("frame_start")[:-1][is_train]
table = {
    "path": dataset.read("path")[first_image],
    "pid": dataset.read("pid")[is_train],
    "cluster": clusters.read("labels"),
}

from stages.reporting import Silent
from stages.runs.context import Context


class Log(Silent):
    def note(self, message: str) -> None:
        print(message)


context = Context(reporter=Log())

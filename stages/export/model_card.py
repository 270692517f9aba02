"""The card of an exported model, in Markdown: its data, recipe, metrics, use and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.manifest import FeaturesManifest, MetricsManifest, ModelManifest
from schemas.stage_names import stage_label
from schemas.summaries import DatasetSummary
from stages.features.whitening import NOT_WHITENED
from stages.nn.images import InputForm

_METRICS = ("rank1", "mAP", "mINP", "ari", "nmi", "bcubed_f", "silhouette", "n_clusters", "n_identities")


@dataclass(frozen=True)
class Card:
    """What the card tells of: the file's name, manifests, the images that the network takes, and whether it was trained."""

    name: str
    model: ModelManifest
    dataset: DatasetSummary | None
    metrics: MetricsManifest | None
    form: InputForm
    features: FeaturesManifest | None
    is_trained: bool


def card_text(card: Card) -> str:
    """The card in Markdown. It holds no place of a machine, and no path of a picture."""
    initial, form, parameters = card.model.initial, card.form, card.model.parameters.model_dump(mode="json")
    metrics = None if card.metrics is None else card.metrics.summary.model_dump(mode="json")
    measured = {} if metrics is None else {name: metrics[name] for name in _METRICS if metrics[name] is not None}
    learned = "Learned without identity labels" if card.is_trained else "Not trained: these are its first weights"
    parts = [
        f"# {card.name}",
        f"A {initial.backbone} that turns a picture into a feature: pictures of the same person, animal, vehicle or object "
        f"get similar ones. Made by dbc-reid {card.model.versions.get('dbc-reid', '')}".rstrip()
        + f", stage {stage_label(card.model.summary.stage)}, model {card.model.id[:12]}. {learned}.",
        "## Input",
        "Pictures turned as their EXIF says, in RGB, what is transparent on white, stretched to "
        f"{form.height}×{form.width} (height × width) by bilinear interpolation with antialiasing (Pillow's BILINEAR, after "
        "Image.draft for large JPEGs; without antialiasing, as OpenCV's INTER_LINEAR, shrunk pictures give other features), "
        "pixels in [0, 1], minus "
        f"{_numbers(form.statistics.mean)}, divided by {_numbers(form.statistics.std)}. "
        f"Features of length 1 are compared by their scalar product.{_otherwise(card)}",
        "## Use",
        _use(card),
        "## Data",
        "Not known." if card.dataset is None else _table(_data(card.dataset)),
        "## Recipe",
        f"First weights: {initial.weights}{f' ({initial.weights_digest[:12]})' if initial.weights_digest else ''}.",
        _table(parameters),
        "## Metrics",
        _table(measured) if measured else "This stage was not evaluated.",
        f"They are of the data above. On other data they can be much worse.{_whitening(card.metrics)}",
        "## Limits",
        "- Its data decides what it sees: lighting, place, viewpoint and species other than those in it are untested.\n"
        "- Similar features are no proof of identity. Look at the pictures before you count or decide anything.\n"
        "- Do not use it to decide about people.\n"
        "- The first weights come under their authors' licence, and the pictures under that of their owners.",
    ]
    return "\n\n".join(parts) + "\n"


def _otherwise(card: Card) -> str:
    """How the features of the run differ from those of the file, if they do."""
    said = differences(card.features)
    return f" The features that were evaluated {said}, which the file does not do." if said else ""


def _whitening(metrics: MetricsManifest | None) -> str:
    """How features were whitened before they were measured, and how to do it; empty if they were not."""
    if metrics is None or not metrics.parameters.whiten or any(NOT_WHITENED in note for note in metrics.notes):
        return ""
    ridge, is_auto = metrics.parameters.whiten, metrics.parameters.camera == "auto"
    by_camera = ", camera by camera if they follow the camera (`--camera auto`)" if is_auto else ""
    return (
        f" They were measured after features were whitened by those of the train pictures (`--whiten {ridge:g}`){by_camera}, "
        "which the file does not do; `dbc eval --whiten 0 --camera ignored` measures features as they are. Whiten yours by "
        "many pictures as they will come, here the rows of `train`:\n\n```python\nimport numpy as np\n\n"
        "mean, covariance = train.mean(axis=0), np.cov(train.T, bias=True)\n"
        f"covariance += {ridge:g} * covariance.trace() / len(mean) * np.eye(len(mean))\n"
        "features = np.linalg.solve(np.linalg.cholesky(covariance), (features - mean).T).T\n"
        "features /= np.linalg.norm(features, axis=1, keepdims=True)\n```"
    )


def differences(features: FeaturesManifest | None) -> str:
    """What was done for `features` beside the network that the file holds; empty if nothing was, or there are none."""
    said = []
    if features is not None and features.parameters.flip:
        said.append("are the means of those of a picture and of its mirror image")
    if features is not None and features.summary.norm_strength:
        said.append("were made with cameras brought to one mean and contrast before the first batch norm")
    return ", and ".join(said)


def _data(summary: DatasetSummary) -> dict[str, int]:
    names = ("n_images", "n_samples", "n_train", "n_query", "n_gallery", "n_identities", "n_cameras")
    return {name: getattr(summary, name) for name in names}


def _numbers(values: tuple[float, ...]) -> str:
    return f"({', '.join(f'{value:g}' for value in values)})"


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| {name} | {_cell(value)} |" for name, value in values.items() if value is not None]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")


def _use(card: Card) -> str:
    initial = card.model.initial
    if card.name.endswith(".onnx"):
        return (
            f"```python\nimport onnxruntime\n\nsession = onnxruntime.InferenceSession({card.name!r})\n"
            '(features,) = session.run(None, {"images": images})  # float32 (n, 3, '
            f"{card.form.height}, {card.form.width})\n```"
        )
    pooling = "" if initial.backbone == "bow" else f" --pooling {initial.pooling}"
    again = f"In dbc-reid: `dbc extract --backbone {initial.backbone} --weights {card.name}{pooling}`."
    if ":" in initial.backbone or initial.pooling != "avg" or initial.last_stride != 2 or initial.backbone == "bow":
        return f"{again} Pooling {initial.pooling}, stride of the last block {initial.last_stride}."
    return (
        f"{again} Without it:\n\n```python\nimport torch, torchvision\nfrom safetensors.torch import load_file\n\n"
        f"network = torchvision.models.{initial.backbone}()\n"
        "last = [name for name, part in network.named_modules() if isinstance(part, torch.nn.Linear)][-1]\n"
        "network.set_submodule(last, torch.nn.Identity())\n"
        f"network.load_state_dict(load_file({card.name!r}), strict=False)\n"
        "features = torch.nn.functional.normalize(network.eval()(images), dim=1)\n```"
    )

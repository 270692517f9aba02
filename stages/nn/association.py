"""Deep association learning: anchors of tracklets, one set a camera, and anchors across cameras."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

MARGIN = 0.5
"""m, the published margin."""
STEP = 0.5
"""η, how far an anchor moves to a new embedding."""


def association_loss(
    embedding: Tensor, anchors: Tensor, labels: Tensor, cameras: Tensor, *, across: bool
) -> tuple[Tensor, Tensor]:
    """The mean loss, a scalar with gradient, and the share of samples whose own anchor is the nearest of their camera.

    `embedding` (B, e), `anchors` (K, e), `labels` (B) int64 in [0, K), `cameras` (K) int64. Chen, Zhu and Gong, BMVC 2018:
    with ‖·‖ between vectors of unit length, own anchor x and nearest other anchor w of the same camera, a sample f has
    the loss [‖f − x‖ − ‖f − w‖ + m]₊. With `across`, it has once more the same with (x + y)/2 in place of x, where y is
    the nearest anchor of x in another camera and x the nearest one of y in its own. Anchors take no gradient. A sample
    that is alone in its camera has no wrong anchor and no loss.
    """
    anchors = functional.normalize(anchors.detach(), dim=1)
    embedding = functional.normalize(embedding, dim=1)
    distance = (2 - 2 * embedding @ anchors.T).clamp(min=1e-12).sqrt()
    own = distance.gather(1, labels[:, None])[:, 0]
    others = cameras[None, :] != cameras[labels][:, None]
    others = others.scatter(1, labels[:, None], torch.ones_like(labels, dtype=torch.bool)[:, None])
    wrong = distance.masked_fill(others, torch.inf).min(dim=1).values
    has_wrong = wrong.isfinite()
    wrong = wrong.where(has_wrong, own.detach() + MARGIN)
    loss = functional.relu(own - wrong + MARGIN)
    if across:
        partner = partners(anchors, cameras)[labels]
        matched = (partner >= 0) & has_wrong
        joint = functional.normalize(anchors[labels] + anchors[partner.clamp(min=0)], dim=1)
        to_joint = (embedding - joint).square().sum(dim=1).clamp(min=1e-12).sqrt()
        loss = loss + functional.relu(to_joint - wrong + MARGIN) * matched
    return loss.mean(), (own.detach() < wrong.detach()).float().mean()


@torch.no_grad()
def partners(anchors: Tensor, cameras: Tensor) -> Tensor:
    """The partner of each of the `anchors` (K, e), of unit length, in another camera: (K) int64, −1 for none.

    The partner is the nearest anchor of all other `cameras` (K), if that one's nearest anchor in the first camera is it.
    """
    similarity = anchors @ anchors.T
    apart = cameras[:, None] != cameras[None, :]
    nearest = similarity.masked_fill(~apart, -torch.inf).argmax(dim=1)
    # the way back: the nearest anchor of the first one's camera
    back = similarity[nearest].masked_fill(cameras[None, :] != cameras[:, None], -torch.inf).argmax(dim=1)
    index = torch.arange(len(anchors), device=anchors.device)
    return nearest.where((back == index) & apart.any(dim=1), torch.full_like(nearest, -1))


@torch.no_grad()
def move_anchors(anchors: Tensor, embedding: Tensor, labels: Tensor) -> None:
    """Move each sample's anchor in place, in batch order: x ← x − η (x̂ − f̂), hats for unit length."""
    for row, feature in zip(labels.tolist(), functional.normalize(embedding, dim=1), strict=True):
        anchors[row] -= STEP * (functional.normalize(anchors[row], dim=0) - feature)

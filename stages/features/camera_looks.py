"""Whether the pictures of a camera look alike, seen without identities."""

from __future__ import annotations

from stages.features.camera_finding import nearest_by_camera, too_few_cameras
from stages.typing import Float32Array, Int32Array


def looks_follow(looks: Float32Array, camid: Int32Array) -> tuple[float, str]:
    """How far the unit rows `looks` (n, d) follow the cameras `camid` (n,): 0 not at all, 1 always, and a line that says so.

    It is how far the share of nearest neighbours of one camera is on the way from chance to all, and 0 if it is not above
    chance by two standard errors, as for features.
    """
    too_few = too_few_cameras(camid)
    if too_few is not None:
        return 0.0, too_few
    near = nearest_by_camera(looks, camid)
    share, chance = float(near.is_same.mean()), float(near.chance.mean())
    told = (
        f"{share:.0%} of pictures are most like one of their own camera in colour and contrast, {chance:.0%} by chance"
    )
    strength = round(near.above_chance, 3)
    if not strength:
        return 0.0, f"{told}: nothing is done about it"
    return strength, f"{told}: the first batch norm has statistics for each camera, with a weight of {strength:.2f}"

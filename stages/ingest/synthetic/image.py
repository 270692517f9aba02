"""One synthetic picture, as a pure function of the seed, the identity, the camera, the shot and the frame.

Light, heading and backdrop vary from shot to shot about as much as from camera to camera. With most of the variation
between cameras instead, clusters form by camera first and training on them lowers mAP stage by stage (measured:
0.26 to 0.13 over 19 stages, against 0.31 to 0.39 as it is; a half-width ResNet-18 from random weights, seed 0).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from schemas.parameters import SyntheticParameters
from stages.errors import UsageError
from stages.ingest.synthetic.camera import Camera, draw_camera
from stages.ingest.synthetic.chance import CAMERA, FRAME, IDENTITY, SHOT, VISIT, bell, between, generator, pick
from stages.ingest.synthetic.figure import draw_figure, pose_at
from stages.ingest.synthetic.person import draw_person
from stages.ingest.synthetic.raster import new_canvas
from stages.ingest.synthetic.scene import Obstacle, draw_backdrop, draw_obstacle, draw_shadow
from stages.ingest.synthetic.sensor import expose
from stages.typing import UInt8Array

SMALLEST_SIDE = 8
_STEP = 0.07
"""Turns of the walk from one frame of a tracklet to the next."""


class _Visit(NamedTuple):
    """A person's passage before one camera; every shot of it shares this."""

    heading: float
    scroll: float
    gain: float
    slope: float
    light: float


class _Shot(NamedTuple):
    """What changes from shot to shot of a passage."""

    phase: float
    turn: float
    scroll: float
    zoom: float
    shift_x: float
    shift_y: float
    gain: float
    warmth: float
    blur: float
    obstacle: Obstacle | None


def draw_image(
    parameters: SyntheticParameters,
    *,
    seed: int,
    pid: int,
    camid: int,
    shot: int,
    height: int,
    width: int,
    frame: int = 0,
) -> UInt8Array:
    """The picture (height, width, 3), uint8, RGB, of identity `pid` before camera `camid`.

    The same arguments give the same bytes on every machine and in any order of calls; of `parameters` only
    `difficulty` matters. Raises UsageError below 8×8 pixels.
    """
    if min(height, width) < SMALLEST_SIDE:
        raise UsageError(
            f"synthetic image size {height}x{width} is too small: height and width must be at least {SMALLEST_SIDE}; "
            "ask for a larger size"
        )
    difficulty = parameters.difficulty
    person = draw_person(generator(seed, IDENTITY, pid))
    camera = draw_camera(generator(seed, CAMERA, camid), camid, difficulty=difficulty)
    visit = _visit(generator(seed, VISIT, pid, camid), camera, difficulty=difficulty)
    taken = _shot(generator(seed, SHOT, pid, camid, shot), frame, difficulty=difficulty)
    noise = bell(generator(seed, FRAME, pid, camid, shot, frame), (height, width))

    canvas = new_canvas(height, width, zoom=taken.zoom, shift_x=taken.shift_x, shift_y=taken.shift_y)
    draw_backdrop(canvas, camera, scroll=visit.scroll + taken.scroll, contrast=min(1.0, 0.2 + 0.7 * difficulty))
    draw_shadow(canvas, light=visit.light)
    pose = pose_at(visit.heading + taken.turn, phase=taken.phase, light=visit.light)
    draw_figure(canvas, person, pose)
    if taken.obstacle is not None:
        draw_obstacle(canvas, taken.obstacle)
    gain = visit.gain * taken.gain
    light = (gain * (1 + taken.warmth), gain, gain * (1 - taken.warmth))
    return expose(canvas.pixels, camera, noise, light=light, slope=visit.slope, blur=taken.blur)


def _visit(rng: np.random.Generator, camera: Camera, *, difficulty: float) -> _Visit:
    turned_round = 0.5 if rng.random() < 0.1 * difficulty else 0.0
    return _Visit(
        heading=camera.heading + turned_round + between(rng, -0.1, 0.1) * difficulty,
        scroll=between(rng, -0.4, 0.4),
        gain=1 + between(rng, -0.1, 0.1) * difficulty,
        slope=between(rng, -0.2, 0.2) * difficulty,
        light=between(rng, -1.0, 1.0),
    )


def _shot(rng: np.random.Generator, frame: int, *, difficulty: float) -> _Shot:
    jitter = 0.3 + difficulty
    taken = _Shot(
        phase=rng.random() + _STEP * frame,
        turn=between(rng, -0.2, 0.2) * difficulty,
        scroll=between(rng, -0.6, 0.6) + 0.02 * frame,
        zoom=1 + between(rng, -0.10, 0.08) * jitter,
        shift_x=between(rng, -0.035, 0.035) * jitter,
        shift_y=between(rng, -0.03, 0.03) * jitter,
        gain=1 + between(rng, -0.5, 0.5) * difficulty,
        warmth=between(rng, -0.4, 0.4) * difficulty,
        blur=between(rng, 0.0, 0.014) * difficulty,
        obstacle=None,
    )
    if rng.random() >= 0.25 * difficulty:
        return taken
    grey = between(rng, 0.12, 0.75)
    colour = (grey * between(rng, 0.75, 1.0), grey * between(rng, 0.75, 1.0), grey * between(rng, 0.75, 1.0))
    side = pick(rng, (-1, 1))
    start = side * between(rng, 0.08, 0.26)
    half_width, top = between(rng, 0.02, 0.11), pick(rng, (-0.1, 0.35, 0.5, 0.65))
    if top < 0:
        half_width *= 0.5
    return taken._replace(obstacle=Obstacle(start - side * 0.03 * frame, half_width, top, colour))

"""A person on a canvas, seen from one side in one phase of the walk."""

from __future__ import annotations

from typing import NamedTuple

from stages.ingest.synthetic.person import Person
from stages.ingest.synthetic.raster import Canvas, Colour, Outline, column, ellipse, limb, paint, sine
from stages.ingest.synthetic.texture import dyed

_SHOULDER = 0.185
_KNEE_SHARE = 0.5
_ANKLE = 0.955


class Pose(NamedTuple):
    """How a person stands before a camera.

    `facing` is the cosine of the heading: 1 towards the camera, −1 away; `side` its sine: 1 to the right of the
    picture; `phase` is the place in the walk, in turns; `light` (−1 to 1) is the brighter side.
    """

    facing: float
    side: float
    phase: float
    light: float


def pose_at(heading: float, *, phase: float, light: float) -> Pose:
    """The pose of a person who walks towards `heading`, in turns: 0 to the camera, 0.25 right, 0.5 away."""
    return Pose(sine(heading + 0.25), sine(heading), phase, light)


def draw_figure(canvas: Canvas, person: Person, pose: Pose) -> None:
    """Draw the person on the canvas, from what lies farthest to what lies nearest."""
    _arm(canvas, person, pose, which=-1)
    if pose.facing > 0:
        _bag_behind(canvas, person, pose)
    for which in (-1, 1) if pose.side >= 0 else (1, -1):
        _leg(canvas, person, pose, which=which)
    _lower(canvas, person, pose)
    _head_back(canvas, person, pose)
    _upper(canvas, person, pose)
    if pose.facing <= 0:
        _bag_behind(canvas, person, pose)
    _straps(canvas, person, pose)
    _head(canvas, person, pose)
    _arm(canvas, person, pose, which=1)
    _carried_bag(canvas, person, pose)


def _across(person: Person, pose: Pose, half_width: float) -> float:
    """The half-width that shows of a body part `half_width` wide and as deep as the person."""
    deep = person.girth * half_width / 0.11
    return half_width * abs(pose.facing) + deep * abs(pose.side) * (1 - 0.35 * abs(pose.facing))


def _swing(person: Person, pose: Pose, which: int) -> float:
    return which * person.stride * sine(pose.phase)


def _leg(canvas: Canvas, person: Person, pose: Pose, *, which: int) -> None:
    swing = _swing(person, pose, which)
    hip = (which * person.hip * 0.5 * pose.facing, person.hip_height - 0.01)
    knee_y = person.hip_height + (_ANKLE - person.hip_height) * _KNEE_SHARE
    lift = max(0.0, -swing) * 0.022
    knee = (hip[0] + pose.side * (0.055 * swing + 0.012), knee_y - lift)
    ankle = (hip[0] * 0.9 + pose.side * 0.115 * swing, _ANKLE - lift * 1.5)
    bare = person.lower != "trousers"
    colour = person.skin if bare else person.lower_colour
    slim = 0.78 if bare else 1.0
    thick = person.leg * slim
    toe = (ankle[0] + pose.side * 0.04 + which * 0.012 * pose.facing, ankle[1] + 0.022 + 0.008 * pose.facing)
    paint(canvas, limb(canvas, ankle, toe, radii=(0.022, 0.02)), person.shoe_colour)
    shade = _dim(colour, 0.82 if which * pose.side < 0 else 1.0)
    paint(canvas, limb(canvas, knee, ankle, radii=(thick * 0.78, thick * 0.55)), shade, light=pose.light)
    paint(canvas, limb(canvas, hip, knee, radii=(thick, thick * 0.8)), shade, light=pose.light)
    if person.lower == "shorts":
        cuff = (hip[0] * 0.2 + knee[0] * 0.8, hip[1] * 0.2 + knee[1] * 0.8)
        patch = limb(canvas, hip, cuff, radii=(person.leg * 1.1, person.leg * 1.05))
        paint(canvas, patch, person.lower_colour, light=pose.light)


def _lower(canvas: Canvas, person: Person, pose: Pose) -> None:
    hip = _across(person, pose, person.hip)
    knots: Outline = ((person.hip_height - 0.06, hip * 0.9), (person.hip_height + 0.03, hip))
    if person.lower == "skirt":
        knots = (*knots, (person.hip_height + 0.19, hip * 1.25))
    paint(canvas, column(canvas, 0.0, knots), person.lower_colour, light=pose.light)


def _upper(canvas: Canvas, person: Person, pose: Pose) -> None:
    shoulder, waist = _across(person, pose, person.shoulder), _across(person, pose, person.waist)
    hip = _across(person, pose, person.hip) * 1.04
    hem = person.hip_height + {"coat": 0.20, "jacket": 0.035}.get(person.upper, 0.005)
    knots: Outline = (
        (_SHOULDER - 0.035, shoulder * 0.42),
        (_SHOULDER, shoulder * 0.92),
        (_SHOULDER + 0.05, shoulder),
        (person.hip_height - 0.11, waist),
        (person.hip_height, hip),
    )
    knots = (*knots, (hem, hip * 1.12)) if person.upper == "coat" else (*knots[:-1], (hem, hip))
    patch = column(canvas, 0.0, knots)
    open_front = person.upper in ("jacket", "coat")
    texture = "plain" if open_front else person.texture
    field = dyed(
        canvas, patch, texture, colours=(person.upper_colour, person.second_colour), top=_SHOULDER, facing=pose.facing
    )
    paint(canvas, patch, field, light=pose.light)
    if open_front and pose.facing > 0.15:
        gap = 0.034 * pose.facing
        middle = shoulder * 0.45 * pose.side
        inner = ((_SHOULDER - 0.02, gap * 0.7), (hem - 0.01, gap))
        paint(canvas, column(canvas, middle, inner), person.second_colour, depth=0.1)


def _arm(canvas: Canvas, person: Person, pose: Pose, *, which: int) -> None:
    """The nearer (`which` 1) or farther (−1) arm; from front or back they hang at either side."""
    edge = 1 if pose.side >= 0 else -1
    swing = -_swing(person, pose, which * edge)
    shoulder_x = which * edge * (_across(person, pose, person.shoulder) - 0.012) * abs(pose.facing)
    shoulder = (shoulder_x, _SHOULDER + 0.025)
    elbow = (shoulder_x * 1.14 + pose.side * (0.05 * swing - 0.01), 0.345)
    hand = (shoulder_x * 1.12 + pose.side * (0.12 * swing + 0.02), 0.475 - 0.01 * abs(swing))
    sleeve = person.second_colour if person.contrast_sleeves else person.upper_colour
    dim = 0.92 if which > 0 else 0.75
    forearm = person.skin if person.upper == "tee" else sleeve
    paint(canvas, ellipse(canvas, hand, radii=(0.021, 0.026)), _dim(person.skin, dim))
    paint(canvas, limb(canvas, elbow, hand, radii=(0.026, 0.02)), _dim(forearm, dim), light=pose.light)
    paint(canvas, limb(canvas, shoulder, elbow, radii=(0.034, 0.028)), _dim(sleeve, dim), light=pose.light)


def _head_back(canvas: Canvas, person: Person, pose: Pose) -> None:
    """What of the hair falls behind the shoulders, when seen from the front."""
    neck = limb(canvas, (0.012 * pose.side, 0.11), (0.0, 0.17), radii=(0.03, 0.034))
    if person.hair == "long" and pose.facing > 0:
        fall = column(canvas, -0.02 * pose.side, ((0.05, 0.05), (0.2, 0.062)))
        paint(canvas, fall, person.hair_colour)
    paint(canvas, neck, _dim(person.skin, 0.85), light=pose.light)


def _head(canvas: Canvas, person: Person, pose: Pose) -> None:
    size = person.head
    middle = (0.012 * pose.side, 0.078)
    skull = (0.05 * size, 0.071 * size)
    covering = person.headwear_colour if person.hair in ("cap", "scarf") else person.hair_colour
    paint(canvas, ellipse(canvas, middle, radii=skull), person.skin, light=pose.light)
    if person.hair == "bald":
        return
    if pose.facing < -0.35:
        back = ellipse(canvas, (middle[0], middle[1] - 0.008), radii=(skull[0] * 1.04, skull[1] * 0.95))
    else:
        slide = -0.030 * pose.side
        back = ellipse(canvas, (middle[0] + slide, 0.042), radii=(skull[0] * 1.04, skull[1] * 0.62))
        if abs(pose.side) > 0.4:
            nape = (middle[0] - 0.032 * (1 if pose.side > 0 else -1), 0.075)
            paint(canvas, ellipse(canvas, nape, radii=(skull[0] * 0.62, skull[1] * 0.8)), covering)
    paint(canvas, back, covering)
    _hair_fall(canvas, person, pose, covering)


def _hair_fall(canvas: Canvas, person: Person, pose: Pose, covering: Colour) -> None:
    """The parts that tell hair styles and headwear apart."""
    turned = abs(pose.side) > 0.4 or pose.facing < 0
    behind = -0.035 * pose.side
    if person.hair == "long" and turned:
        paint(canvas, column(canvas, behind, ((0.06, 0.048), (0.23, 0.056)), lean=behind * 0.3), covering)
    elif person.hair == "tail" and turned:
        root, tip = (behind * 1.3, 0.075), (behind * 2.4, 0.215)
        paint(canvas, limb(canvas, root, tip, radii=(0.022, 0.014)), covering)
    elif person.hair == "cap" and pose.facing > -0.35:
        brim = (0.012 * pose.side + 0.045 * pose.side, 0.06)
        paint(canvas, ellipse(canvas, brim, radii=(0.046, 0.013)), _dim(covering, 0.7))
    elif person.hair == "scarf":
        wrap = ellipse(canvas, (0.0, 0.148), radii=(0.058, 0.028))
        paint(canvas, wrap, covering, light=pose.light)


def _bag_behind(canvas: Canvas, person: Person, pose: Pose) -> None:
    if person.bag != "backpack":
        return
    reach = _across(person, pose, person.shoulder)
    middle = -pose.side * (reach + 0.02)
    half = 0.078 * abs(pose.facing) + 0.045 * abs(pose.side)
    knots = ((0.19, half * 0.7), (0.225, half), (0.42, half * 1.05), (0.44, half * 0.9))
    paint(canvas, column(canvas, middle, knots), person.bag_colour, light=pose.light)
    if pose.facing < -0.3:
        pocket = column(canvas, middle, ((0.335, half * 0.7), (0.41, half * 0.7)))
        paint(canvas, pocket, _dim(person.bag_colour, 0.7))


def _straps(canvas: Canvas, person: Person, pose: Pose) -> None:
    """A backpack's two straps from the front; a shoulder bag's belt across the chest from any side."""
    reach = _across(person, pose, person.shoulder)
    if person.bag == "backpack" and pose.facing > 0.1:
        for edge in (-1, 1):
            top = (edge * reach * 0.55, _SHOULDER - 0.01)
            paint(canvas, limb(canvas, top, (top[0] * 1.25, 0.34), radii=(0.012, 0.01)), person.bag_colour)
    elif person.bag == "shoulder":
        edge = person.bag_side if pose.facing >= 0 else -person.bag_side
        start, end = (-edge * reach * 0.5, _SHOULDER - 0.01), (edge * reach * 0.85, person.hip_height - 0.04)
        paint(canvas, limb(canvas, start, end, radii=(0.009, 0.009)), person.bag_colour)


def _carried_bag(canvas: Canvas, person: Person, pose: Pose) -> None:
    """A bag at the hip or in the hand; the far one is half hidden by the body."""
    if person.bag not in ("shoulder", "hand"):
        return
    edge = person.bag_side * pose.facing
    hidden = person.bag_side * pose.side > 0.5
    if hidden:
        return
    reach = _across(person, pose, person.shoulder)
    middle = edge * (reach + 0.01) + pose.side * 0.02
    top = person.hip_height - 0.05 if person.bag == "shoulder" else 0.5
    wide, high = (0.055, 0.12) if person.bag == "shoulder" else (0.05, 0.14)
    knots = ((top, wide * 0.8), (top + 0.03, wide), (top + high, wide))
    paint(canvas, column(canvas, middle, knots), person.bag_colour, light=pose.light)


def _dim(colour: Colour, share: float) -> Colour:
    return (colour[0] * share, colour[1] * share, colour[2] * share)

"""Colour names: the Lab of known colours, and the terms that people would give."""

from __future__ import annotations

import numpy as np
import pytest

from stages.nn.bag_of_words.colour_names import NAMES, PROTOTYPES, SPREAD, lab, name_probabilities, name_table


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
    ],
)
def test_lab_of_known_colours(rgb: tuple[int, int, int], expected: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(lab(np.array([rgb], dtype=np.float64))[0], expected, atol=0.02)


def _one_by_one(rgb: tuple[float, float, float]) -> list[float]:
    here = lab(np.array([rgb], dtype=np.float64))[0]
    likelihood = []
    for prototypes in PROTOTYPES.values():
        distances = [float(np.linalg.norm(here - lab(np.array([p], dtype=np.float64))[0])) for p in prototypes]
        likelihood.append(np.exp(-(min(distances) ** 2) / (2 * SPREAD**2)))
    return [float(value / sum(likelihood)) for value in likelihood]


def test_probabilities_equal_the_written_out_formula_and_sum_to_one() -> None:
    colours = np.random.default_rng(0).uniform(0, 255, size=(40, 3))
    found = name_probabilities(colours)
    np.testing.assert_allclose(found, [_one_by_one(tuple(colour)) for colour in colours], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("name", NAMES)
def test_every_prototype_has_its_own_name(name: str) -> None:
    found = name_probabilities(np.array(PROTOTYPES[name], dtype=np.float64))
    assert {NAMES[best] for best in found.argmax(axis=1)} == {name}


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((10, 10, 20), "black"),
        ((30, 60, 200), "blue"),
        ((115, 75, 40), "brown"),
        ((150, 150, 150), "grey"),
        ((30, 140, 40), "green"),
        ((240, 130, 20), "orange"),
        ((250, 170, 190), "pink"),
        ((110, 40, 140), "purple"),
        ((180, 20, 30), "red"),
        ((245, 245, 240), "white"),
        ((240, 225, 40), "yellow"),
    ],
)
def test_colours_get_the_term_that_people_give_them(rgb: tuple[int, int, int], name: str) -> None:
    assert NAMES[int(name_probabilities(np.array([rgb], dtype=np.float64)).argmax())] == name


def test_the_table_holds_the_centre_of_every_bin() -> None:
    table = name_table()
    assert table.shape == (32768, 11)
    for red, green, blue in ((0, 0, 0), (31, 5, 17), (3, 31, 30)):
        centre = (8 * red + 3.5, 8 * green + 3.5, 8 * blue + 3.5)
        np.testing.assert_allclose(table[red + 32 * green + 1024 * blue], _one_by_one(centre), rtol=1e-5, atol=1e-7)

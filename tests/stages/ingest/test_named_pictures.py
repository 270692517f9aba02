"""Names in a table mean the pictures that they fit best, in whatever form of Unicode."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from stages.ingest.named_pictures import NamedPictures

FORMS = [("NFC", "NFD"), ("NFD", "NFC")]


@pytest.mark.parametrize(("here", "there"), FORMS)
@pytest.mark.parametrize("other", ["IMG_1.JPG", "1/IMG_1.JPG"])
def test_a_name_in_another_form_is_no_shorter_end_of_it(here: str, there: str, other: str) -> None:
    path = normalize(here, f"Café/{other}")
    pictures = NamedPictures([path, other])
    for name in (path, f"E:/cards/{path}"):
        assert pictures.that_fit(name) == pictures.that_fit(normalize(there, name)) == [path]
    assert pictures.that_fit(normalize(there, f"Kérri/{other}")) == [other]


@pytest.mark.parametrize(("here", "there"), FORMS)
def test_of_one_name_in_two_forms_each_means_its_own_picture(here: str, there: str) -> None:
    one, two = (normalize(form, "Café/1.jpg") for form in (here, there))
    pictures = NamedPictures([one, two])
    for path in (one, two):
        assert pictures.that_fit(path) == pictures.that_fit(f"E:/{path}") == [path]


@pytest.mark.parametrize(("here", "there"), FORMS)
def test_letters_count_alike_in_both_forms_for_pictures_of_a_newer_dataset(here: str, there: str) -> None:
    path, later = normalize(here, "ééé/1.jpg"), normalize(there, "x/ééé/1.jpg")
    pictures = NamedPictures([f"{normalize(there, 'ééé')}/2.jpg", path], later=[later])
    for name in (normalize(form, "E:/ééé/1.jpg") for form in (here, there)):
        assert pictures.that_fit(name) == [path]

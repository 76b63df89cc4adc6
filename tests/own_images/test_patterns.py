"""Patterns are guessed from names, and only where they read several patients from all of them."""

import re

from sonotrace.own_images.patterns import guesses


def test_a_number_after_a_word_is_the_patient():
    first = guesses(["case-001_a", "case-001_b", "case-002_a"])[0]
    assert first.pattern == "case-(?P<patient>[0-9]+)"
    assert (first.patients, first.example) == (2, "001")


def test_numbers_that_start_anew_at_each_site_are_offered_with_and_without_the_site():
    found = guesses(["patient001_DZA_0", "patient001_EGY_0", "patient002_EGY_0"])
    assert [guess.patients for guess in found] == [2, 3]
    assert re.search(found[1].pattern, "patient001_DZA_0")["patient"] == "patient001_DZA"


def test_nothing_is_guessed_where_all_would_be_one_patient_or_a_name_does_not_fit():
    assert guesses(["a_1", "a_2"]) == []
    assert guesses(["a_1", "b"]) == []
    assert guesses([]) == []

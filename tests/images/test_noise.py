"""Images of noise: seeded, of the size asked for, and different from each other."""

import numpy as np

from sonotrace.images.noise import SORTS, generated


def test_each_sort_has_as_many_different_images_as_asked_for():
    made = list(generated(3, 40, 20, seed=1))
    assert [sort for sort, _ in made] == [sort for sort in SORTS for _ in range(3)]
    assert {(image.shape, image.dtype) for _, image in made} == {((20, 40), np.dtype("uint8"))}
    assert len({image.tobytes() for _, image in made}) == 9


def test_the_seed_decides_and_the_number_of_images_does_not():
    few, many, other = (list(generated(count, 16, 16, seed)) for count, seed in ((1, 1), (2, 1), (1, 2)))
    assert [image.tobytes() for _, image in few] == [image.tobytes() for _, image in many[::2]]
    assert [image.tobytes() for _, image in few] != [image.tobytes() for _, image in other]


def test_a_gradient_rises_or_falls_and_keeps_to_grey_levels():
    _, image = list(generated(1, 32, 32, seed=3))[2]
    rows = np.diff(image.astype(int), axis=1)
    assert (rows >= 0).all() or (rows <= 0).all()
    assert np.ptp(image) > 0

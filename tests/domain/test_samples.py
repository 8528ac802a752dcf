"""Which rows are tried first."""

import random
from itertools import pairwise

import pytest

from app.domain import ASPECT_RATIOS, RESOLUTIONS, ImageRequest, SampleImage, choose_sample
from app.domain.batches import choose_products

REFERENCE = SampleImage(url="/samples/files/a.png", filename="a.png")


def rows(count: int, seed: int) -> list[ImageRequest]:
    chance = random.Random(seed)
    return [
        ImageRequest(
            prompt="猫" * chance.randint(1, 300),
            aspect_ratio=chance.choice(ASPECT_RATIOS[:4]),
            resolution=chance.choice(RESOLUTIONS),
            sample_images=(REFERENCE,) * chance.choice((0, 0, 0, 1, 3)),
        )
        for _ in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 20, 301])
def test_a_sample_has_its_size_and_covers_what_differs(count: int) -> None:
    requests = rows(count, seed=count)
    longest = max(len(request.prompt) for request in requests)
    most = max(len(request.sample_images) for request in requests)
    ratios = {request.aspect_ratio for request in requests}
    resolutions = {request.resolution for request in requests}
    for size in range(1, count + 3):
        chosen = choose_sample(requests, size)
        assert len(chosen) == min(size, count)
        assert chosen <= set(range(count))
        tried = [requests[index] for index in chosen]
        covered = [
            0 in chosen,
            count - 1 in chosen,
            longest == max(len(request.prompt) for request in tried),
            most == max(len(request.sample_images) for request in tried),
        ]
        assert all(covered[:size])
        if size >= 4 + len(ratios):
            assert {request.aspect_ratio for request in tried} == ratios
        if size >= 4 + len(ratios) + len(resolutions):
            assert {request.resolution for request in tried} == resolutions


def test_rows_that_are_alike_are_tried_at_even_distances() -> None:
    chosen = sorted(choose_sample([ImageRequest(prompt="猫")] * 2_000, 9))
    distances = [high - low for low, high in pairwise(chosen)]
    assert (chosen[0], chosen[-1]) == (0, 1_999)
    assert max(distances) <= 2 * min(distances)


def test_no_rows_have_no_sample() -> None:
    assert choose_sample([], 8) == set()


@pytest.mark.parametrize(
    ("size", "products"),
    [(1, {0}), (2, {0, 3}), (3, {0, 3, 9}), (4, {0, 3, 6, 9}), (10, {*range(10)}), (99, {*range(10)})],
)
def test_a_trial_of_products_has_all_rows_of_each_and_one_of_each_category(
    size: int, products: set[int]
) -> None:
    rows = [(product, "餐具" if product in (3, 4) else "茶具") for product in range(10) for _ in range(2)]
    chosen = choose_products(rows, size)
    assert chosen == {2 * product + place for product in products for place in range(2)}

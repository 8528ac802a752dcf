"""Which rows of a batch are tried first."""

import heapq
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import pairwise

from app.domain.requests import ImageRequest
from app.errors import message

ONE_FIRST = message("没有证实这个模型会看这台电脑上的参考图：先做一行，看过再放行其余的")


def choose_sample(requests: Sequence[ImageRequest], size: int) -> set[int]:
    """The indexes of ``size`` rows to try first; all when there are no more.

    In this order: the first row, the last, the one with the longest prompt, the one with most references,
    one of each aspect ratio, one of each resolution, then rows spread evenly between those.
    """
    if size >= len(requests):
        return set(range(len(requests)))
    chosen: dict[int, None] = {}
    for index in _telling_rows(requests):
        if len(chosen) < size:
            chosen[index] = None
    return _spread({*chosen}, size)


def choose_products(rows: Sequence[tuple[int, str]], size: int) -> set[int]:
    """The indexes of all rows of ``size`` products to try first; rows are (product, category).

    In this order: the first product, the first one of each other category, the last, then evenly between.
    """
    categories = dict(rows)
    products = [*dict.fromkeys(product for product, _ in rows)]
    chosen: dict[int, None] = {0: None}
    seen = {categories[products[0]]}
    for index, product in enumerate(products):
        if categories[product] not in seen and len(chosen) < size:
            seen.add(categories[product])
            chosen[index] = None
    if len(chosen) < size < len(products):
        chosen[len(products) - 1] = None
    places = range(len(products)) if size >= len(products) else _spread({*chosen}, size)
    tried = {products[place] for place in places}
    return {index for index, (product, _) in enumerate(rows) if product in tried}


def _telling_rows(requests: Sequence[ImageRequest]) -> Iterator[int]:
    """Indexes of the rows that differ most, each perhaps several times."""
    rows = range(len(requests))
    yield rows[0]
    yield rows[-1]
    yield max(rows, key=lambda row: len(requests[row].prompt))
    if any(request.sample_images for request in requests):
        yield max(rows, key=lambda row: len(requests[row].sample_images))
    yield from _first_of_each(requests, lambda request: request.aspect_ratio)
    yield from _first_of_each(requests, lambda request: request.resolution)


def _first_of_each(
    requests: Sequence[ImageRequest], value_of: Callable[[ImageRequest], Hashable]
) -> Iterator[int]:
    seen = set[Hashable]()
    for index, request in enumerate(requests):
        if (value := value_of(request)) not in seen:
            seen.add(value)
            yield index


def _spread(chosen: set[int], size: int) -> set[int]:
    """Add the middles of the longest gaps until ``size`` rows are chosen."""
    gaps = [(low - high, low, high) for low, high in pairwise(sorted(chosen))]
    heapq.heapify(gaps)
    while len(chosen) < size:
        _, low, high = heapq.heappop(gaps)
        middle = (low + high) // 2
        chosen.add(middle)
        heapq.heappush(gaps, (low - middle, low, middle))
        heapq.heappush(gaps, (middle - high, middle, high))
    return chosen

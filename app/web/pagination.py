"""Links to the pages of a list."""


def page_numbers(page: int, pages: int) -> list[int]:
    """The numbers to link to from page ``page`` of ``pages``; 0 stands for a gap."""
    near = {1, pages, *range(page - 2, page + 3)}
    shown: list[int] = []
    for number in sorted(n for n in near if 1 <= n <= pages):
        if shown and number - shown[-1] == 2:
            shown.append(number - 1)
        elif shown and number - shown[-1] > 2:
            shown.append(0)
        shown.append(number)
    return shown

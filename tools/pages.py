"""Pages with tables that are made: they stand between two lines, and all else is written by hand."""


def with_made(page: str, begin: str, end: str, made: str) -> str:
    """Return a page with `made`, which ends with a line break, between the lines `begin` and `end`."""
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{made}\n{end}{rest.split(end, 1)[1]}"

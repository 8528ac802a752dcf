"""The list of tables on 批量生成."""

from werkzeug.wrappers import Response


def table_list() -> Response | None:
    """The page with the tables that are not deleted; None without any."""
    return None

"""A studio with pictures in a table, and clients who have nothing but a link."""

from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from tests.web.harness import WebHarness, answered

LAN = "http://192.168.1.20:5000"  # where a studio opens its own pages
ROWS: list[dict[str, Any]] = [
    {"prompt": f"暗号提示词 {n}", "filename": f"图{n}", "resolution": "256x256", "columns": {"SKU": f"A-{n}"}}
    for n in range(1, 5)
]


class Studio(WebHarness):
    """The app as a studio has it open on its own network."""

    def make_table(self, rows: list[dict[str, Any]] = ROWS) -> str:
        """A table whose rows were made -> its id."""
        table_id = str(self.post("/api/tables", {"name": "暗号表格", "rows": rows}, 201)["table"]["id"])
        self.make(table_id)
        return table_id

    def make(self, table_id: str, **fields: Any) -> None:
        """Make what is missing of a table."""
        self.post(f"/api/tables/{table_id}/run", fields, 202)
        self.run()

    def rows_of(self, table_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"/api/tables/{table_id}")["rows"]
        return rows

    def change(self, table_id: str, row: int, **values: Any) -> None:
        """Change cells of a row."""
        operations = [{"op": "set", "row": row, "values": values}]
        answered(self.client.patch(f"/api/tables/{table_id}", json={"operations": operations}))

    def call(self, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
        """A call of the studio, from its own network."""
        return answered(self.client.open(path, method=method, json=body, base_url=LAN), status)

    def open_round(self, table_id: str, status: int = 201, **fields: Any) -> dict[str, Any]:
        """Make a round of all pictures -> the answer."""
        body = {"client": "王总", "pick": "all"} | fields
        return self.call("POST", f"/api/tables/{table_id}/rounds", body, status)

    def rounds(self, table_id: str, query: str = "?marks=1") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", f"/api/tables/{table_id}/rounds{query}")["rounds"]
        return found

    def visitor(self, link: str) -> "Visitor":
        """Somebody with this link, in a browser of their own."""
        return Visitor(self.client.application.test_client(), link)

    def previews(self) -> list[Path]:
        """The files of drawn previews."""
        return sorted(self.settings.output_dir.glob(".thumbnails/*/*-r*.jpg"))


class Visitor:
    """A browser that has a link and nothing else."""

    def __init__(self, browser: FlaskClient, link: str) -> None:
        self.browser, self.path = browser, "/" + link.split("/", 3)[3]

    def open(self, path: str = "", method: str = "GET", **options: Any) -> Any:
        return self.browser.open(self.path + path, method=method, base_url=LAN, **options)

    def call(self, path: str, method: str = "GET", body: Any = None, status: int = 200) -> dict[str, Any]:
        return answered(self.open(path, method, **({"json": body} if body is not None else {})), status)

    def state(self) -> dict[str, Any]:
        return self.call("/state")

    def mark(self, marks: dict[str, Any], status: int = 200) -> dict[str, Any]:
        return self.call("/marks", "PUT", marks, status)

    def heart(self, *numbers: int, status: int = 200) -> dict[str, Any]:
        return self.mark({str(n): {"mark": "heart"} for n in numbers}, status)

    def submit(self, status: int = 200) -> dict[str, Any]:
        return self.call("/submit", "POST", status=status)

"""A made picture is changed: one more picture of its row, ordered at one door."""

import base64
import io
from typing import Any

from PIL import Image, ImageChops

from app.images import store
from tests.web.harness import WebHarness


def made(web: WebHarness, prompt: str = "猫", **fields: Any) -> int:
    """The id of a record that has ended."""
    rows = [{"prompt": prompt, "resolution": "1K", **fields}]
    (record_id,) = web.post("/api/batches", {"rows": rows}, 202)["records"]
    web.run()
    return int(record_id)


def mask(size: tuple[int, int] = (1024, 1024), *boxes: tuple[int, int, int, int]) -> str:
    image = Image.new("L", size)
    for box in boxes:
        image.paste(255, box)
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()


SPOT = (200, 200, 400, 300)


def edit(web: WebHarness, record_id: int, status: int = 202, **body: Any) -> dict[str, Any]:
    return web.post(f"/api/records/{record_id}/edit", body, status)


def test_a_painted_place_is_changed_beside_the_old_picture(demo: WebHarness) -> None:
    original = demo.record(made(demo))
    ordered = edit(demo, original["id"], prompt="一朵花", mask=mask((1024, 1024), SPOT))
    assert ordered["batch_id"] == original["batch_id"]
    demo.run()
    changed = demo.record(ordered["records"][0])
    assert (changed["status"], changed["width"], changed["height"]) == ("success", 1024, 1024)
    assert (changed["row_number"], changed["picture_number"], changed["prompt"]) == (1, 2, "一朵花")
    assert demo.record(original["id"])["filename"] == original["filename"]


def pixels(web: WebHarness, record: dict[str, Any]) -> Image.Image:
    with Image.open(web.settings.output_dir / record["filename"]) as image:
        return image.convert("RGB")


def test_outside_of_the_mask_no_byte_differs_and_the_answer_is_kept(demo: WebHarness) -> None:
    original = demo.record(made(demo))
    (changed_id,) = edit(demo, original["id"], prompt="一朵花", mask=mask((1024, 1024), SPOT))["records"]
    demo.run()
    changed = demo.record(changed_id)
    difference = ImageChops.difference(pixels(demo, original), pixels(demo, changed)).getbbox()
    assert difference
    assert all(abs(a - b) <= 4 for a, b in zip(difference, SPOT, strict=True))
    with demo.client.get(changed["edit"]["answer"]) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert "服务给的原样" in demo.page(f"/live/records/{changed_id}/details")
    store.delete_image(demo.settings.output_dir, changed["filename"], changed_id)
    assert demo.client.get(changed["edit"]["answer"]).status_code == 404

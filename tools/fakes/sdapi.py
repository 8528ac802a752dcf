"""A fake server with AUTOMATIC1111's API.

Words in the prompt: 崩 -> HTTP 500 with an error in it; 校验 -> 422.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import time
from typing import Any

from PIL import Image

from tools.fakes.service import Call, FakeService, Refusal, Reply, as_json, run_standalone

RANDOM_SEED = 1_234_567_890
OPTIONS: dict[str, Any] = {"sd_model_checkpoint": "家里的模型.safetensors", "samples_format": "png"}
_FIELDS = {
    "prompt": str,
    "negative_prompt": str,
    "seed": int,
    "steps": int,
    "cfg_scale": (int, float),
    "width": int,
    "height": int,
    "batch_size": int,
    "n_iter": int,
    "sampler_name": str,
    "init_images": list,
    "denoising_strength": (int, float),
    "mask": str,
    "inpainting_fill": int,
    "inpaint_full_res": bool,
}


class FakeSdApi(FakeService):
    """Options besides those of ``FakeService``:

    login       "name:password" that is required; "" = none
    empty_info  ``info`` is empty, as on some servers
    with_grid   the first of ``images`` is a grid
    options     the body of /options; None = no such route
    """

    name = "sdapi"
    steps = ("submit", "options", "download")

    def __init__(
        self,
        *,
        login: str = "",
        empty_info: bool = False,
        with_grid: bool = False,
        options: dict[str, Any] | None = OPTIONS,
        **service_options: Any,
    ) -> None:
        super().__init__(**service_options)
        self.login = login
        self.empty_info = empty_info
        self.with_grid = with_grid
        self.options = options

    def settings(self, **more: Any) -> dict[str, Any]:
        """Arguments for ``config.Settings``."""
        address = self.address.replace("://", f"://{self.login}@") if self.login else self.address
        return {"image_model": "sdapi", "sdapi_url": address, "model_timeout": 20, **more}

    def step_of(self, call: Call) -> str:
        """Every call but that for the options is a submission."""
        return "options" if call.path == "/sdapi/v1/options" else "submit"

    def answer(self, step: str, call: Call) -> Reply:
        """One submission or the options."""
        given = base64.b64encode(self.login.encode()).decode()
        if self.login and call.headers.get("authorization") != f"Basic {given}":
            raise self.wrong_key()
        if step == "options" and call.method == "GET" and self.options is not None:
            return as_json(self.options)
        if call.path not in ("/sdapi/v1/txt2img", "/sdapi/v1/img2img"):
            raise Refusal(404, {"detail": "Not Found"})
        body = call.fields
        _check(body)
        if call.path.endswith("img2img"):
            _check_images(body)
        with self.slot():
            order = self.accept(body, body.get("width", 512), body.get("height", 512))
            time.sleep(self.latency)
        picture = base64.b64encode(self.image_of(order)).decode()
        images = ["data:image/png;base64,AAAA", picture] if self.with_grid else [picture]
        return as_json({"images": images, "parameters": body, "info": self._info(body)})

    def busy(self) -> Refusal:
        """A full queue."""
        return Refusal(429, {"error": "queue is full"})

    def wrong_key(self) -> Refusal:
        """HTTP Basic refused."""
        return Refusal(401, {"detail": "Incorrect username or password"})

    def _info(self, body: dict[str, Any]) -> str:
        if self.empty_info:
            return ""
        seed = RANDOM_SEED if body.get("seed", -1) == -1 else body["seed"]
        first = int(self.with_grid)
        return json.dumps({"seed": seed, "all_seeds": [seed], "index_of_first_image": first})


def _check(body: dict[str, Any]) -> None:
    for name, value in body.items():
        kind: Any = _FIELDS.get(name)
        if kind is None or not isinstance(value, kind):
            raise Refusal(422, {"detail": [{"loc": ["body", name], "msg": "extra or wrong field"}]})
    if not -1 <= body.get("seed", -1) <= 4_294_967_293:
        raise Refusal(422, {"detail": [{"loc": ["body", "seed"], "msg": "seed out of range"}]})
    if body.get("width", 512) % 8 or body.get("height", 512) % 8:
        raise Refusal(422, {"detail": [{"loc": ["body", "width"], "msg": "not a multiple of 8"}]})
    if "校验" in body.get("prompt", ""):
        raise Refusal(422, {"detail": [{"loc": ["body", "prompt"], "msg": "prompt is odd"}]})
    if "崩" in body.get("prompt", ""):
        raise Refusal(500, {"error": "OutOfMemoryError", "detail": "", "body": "", "errors": "no memory"})


def _check_images(body: dict[str, Any]) -> None:
    images = body.get("init_images")
    if not images:
        raise Refusal(404, {"detail": "Init image not found"})
    try:
        base64.b64decode(images[0], validate=True)
    except (binascii.Error, TypeError):
        raise Refusal(500, {"error": "HTTPException", "detail": "Invalid encoded image"}) from None
    if mask := body.get("mask"):
        pictures = (Image.open(io.BytesIO(base64.b64decode(each))) for each in (mask, images[0]))
        masked, picture = pictures
        if masked.size != picture.size or not masked.convert("L").getbbox() or len(images) != 1:
            raise Refusal(500, {"error": "ValueError", "detail": "the mask does not fit the image"})


if __name__ == "__main__":
    run_standalone(FakeSdApi)

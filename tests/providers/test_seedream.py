"""Seedream against its fake: requests, and sizes, options and prices by family."""

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image

import database
from app.config import Settings
from app.domain import BatchStatus, Reference, SampleImage, Status
from app.errors import Billed
from app.providers.seedream import Seedream
from tests.harness import open_harness
from tests.providers.services import FOX, answer, failure, opened
from tools.fakes.clock import Clock
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import Submission

SERVICE = "seedream"
IDS = {
    "5-5": "doubao-seedream-5-5-261028",
    "4-0": "doubao-seedream-4-0-250828",
    "4-5": "doubao-seedream-4-5-251128",
    "5-0": "doubao-seedream-5-0-260128",
    "5-0-pro": "doubao-seedream-5-0-pro-260628",
    "5-0-flash": "doubao-seedream-5-0-flash-260915",
}


def provider_for(model_id: str, **more: object) -> Seedream:
    return Seedream(Settings(seedream_model=model_id, **more))  # type: ignore[arg-type]


def test_a_submission_sends_exactly_the_requested_fields(service: FakeSeedream, model: Seedream) -> None:
    model.submit(replace(FOX, negative_prompt="人物", seed=7, steps=30), ())
    assert service.submissions[0].body == {
        "model": IDS["5-0-pro"],
        "prompt": "一只红狐狸\n画面中不要出现：人物",
        "size": "2816x1584",
        "response_format": "url",
        "watermark": False,
        "output_format": "jpeg",
    }


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({}, ("jpeg", None)),
        ({"output_format": "png"}, ("png", None)),
        ({"background": "transparent"}, ("png", "transparent")),
        ({"background": "transparent", "output_format": "png"}, ("png", "transparent")),
        ({"background": "opaque"}, ("jpeg", "opaque")),
        ({"background": "opaque", "output_format": "jpeg"}, ("jpeg", "opaque")),
    ],
)
def test_a_format_is_always_sent_and_png_for_a_transparent_background(
    service: FakeSeedream, options: dict[str, str], sent: tuple[str, str | None]
) -> None:
    model = opened(service, seedream_model=IDS["5-5"])
    request = replace(FOX, **options)  # type: ignore[arg-type]
    assert not model.spec.unsupported(request)
    task_id = model.submit(request, ()).task_id or ""
    body = service.submissions[0].body
    assert (body["output_format"], body.get("background")) == sent
    with Image.open(io.BytesIO(model.fetch(task_id, Clock().sleep).content)) as image:
        assert image.format == sent[0].upper()
        assert (image.mode == "RGBA") is (sent[1] == "transparent")


@pytest.mark.parametrize("family", ["5-0-pro", "5-0-flash"])
def test_only_5_5_takes_a_background(service: FakeSeedream, family: str) -> None:
    model = opened(service, seedream_model=IDS[family])
    assert list(model.spec.options) == ["output_format"]
    assert "Seedream 5.5" in str(model.spec.field_notes["background"])
    model.submit(replace(FOX, background="transparent"), ())
    assert "background" not in service.submissions[0].body


def test_neither_an_ended_nor_an_unlisted_id_takes_options(service: FakeSeedream) -> None:
    for model_id in (*UNKNOWN, IDS["4-5"], IDS["5-0"], "dola-seedream-4-0-250828"):
        assert not provider_for(model_id).spec.options
    opened(service, seedream_model="dola-seedream-4-5-251128").submit(replace(FOX, output_format="png"), ())
    assert "output_format" not in service.submissions[0].body


def test_transparent_jpeg_is_a_problem_before_it_is_paid(service: FakeSeedream) -> None:
    model = opened(service, seedream_model=IDS["5-5"])
    request = replace(FOX, background="transparent", output_format="jpeg")
    (problem,) = model.spec.validate(request)
    assert (problem.field, "png" in str(problem)) == ("output_format", True)
    assert provider_for(IDS["5-0-pro"]).spec.validate(request) == []  # takes no background, so ignores it


REFUSED_BODIES: list[dict[str, object]] = [
    {"sequential_image_generation": "disabled"},
    {"sequential_image_generation_options": {"max_images": 2}},
    {"stream": True},
    {"tools": []},
    {"layer_decomposition": True},
    {"optimize_prompt_options": {"mode": "fast"}},
    {"background": "transparent", "output_format": "jpeg"},
    {"background": "blue"},
    {"output_format": "webp"},
    {"image": ["https://example.com/a.png"] * 11},
    {"image": "data:image/PNG;base64,YWJj"},
    {"size": "3K"},
    {"size": "4096x4096"},
    {"size": "800x800"},
    {"seed": 1},
]


@pytest.mark.parametrize("fields", REFUSED_BODIES)
def test_the_fake_refuses_what_5_5_refuses(service: FakeSeedream, fields: dict[str, object]) -> None:
    body = {"model": IDS["5-5"], "prompt": "狐狸", "size": "2K", "output_format": "png"}
    model = opened(service, seedream_model=IDS["5-5"])
    assert model._generate(body).task_id
    error = failure(lambda: model._generate(body | fields))
    assert (error.billed, service.charges) == (Billed.NO, 1)


def test_references_are_sent_as_urls_or_data_urls(service: FakeSeedream, model: Seedream) -> None:
    at_hand = Reference(filename="a.png", content=b"abc", media_type="image/png")
    far = Reference(filename="b.png", url="https://example.com/b.png")
    model.submit(FOX, [at_hand])
    model.submit(FOX, [at_hand, far])
    assert service.submissions[0].body["image"] == "data:image/png;base64,YWJj"
    assert service.submissions[1].body["image"] == ["data:image/png;base64,YWJj", "https://example.com/b.png"]


@pytest.mark.parametrize(
    ("model_id", "label"),
    [
        ("doubao-seedream-5-5-261028", "Seedream 5.5"),
        ("dola-seedream-5-5-261028", "Seedream 5.5"),
        ("seedream-5-5-261028", "Seedream 5.5"),
        ("doubao-seedream-5-0-pro-260628", "Seedream 5.0 pro"),
        ("dola-seedream-5-0-flash-260915", "Seedream 5.0 flash"),
        ("doubao-seedream-5-0-lite-260128", "Seedream 5.0 lite"),
        ("doubao-seedream-5-0-260128", "Seedream 5.0 lite"),
        ("seedream-4-5-251128", "Seedream 4.5"),
        ("doubao-seedream-4-0-250828", "Seedream 4.0"),
    ],
)
def test_a_listed_id_determines_its_family(model_id: str, label: str) -> None:
    assert provider_for(model_id).spec.label == label


UNKNOWN = (
    "ep-20261101-abcde",
    "ep-20261101-doubao-seedream-5-0-pro-260628",
    "doubao-seedream-5-5-pro-261201",
    "doubao-seedream-4-0-20260415",
    "doubao-seedream-6-0-270101",
)


@pytest.mark.parametrize("model_id", UNKNOWN)
def test_an_unlisted_id_has_no_price_and_says_so(model_id: str) -> None:
    spec = provider_for(model_id).spec
    assert (spec.label, spec.is_priced, spec.price(FOX)) == (model_id, False, None)
    assert "不认识这个模型编号" in spec.setup.about
    assert "单价" in spec.setup.about
    assert provider_for(model_id, price_per_image=Decimal("0.4")).spec.price(FOX) == Decimal("0.4")


PRICED = [
    ("4-0", "2K", 0, "0.20"),
    ("4-5", "4K", 0, "0.25"),
    ("5-0", "2K", 0, "0.22"),
    ("5-0-flash", "2K", 0, "0.12"),
    ("5-0-pro", "1K", 0, "0.30"),
    ("5-0-pro", "2K", 0, "0.60"),
    ("5-0-pro", "2K", 3, "0.64"),  # one is included
]


@pytest.mark.parametrize(("family", "resolution", "references", "price"), PRICED)
def test_prices_follow_the_family(family: str, resolution: str, references: int, price: str) -> None:
    images = tuple(SampleImage(url=f"https://example.com/{n}", filename=f"{n}") for n in range(references))
    request = replace(FOX, resolution=resolution, sample_images=images)
    assert provider_for(IDS[family]).spec.price(request) == Decimal(price)
    own = provider_for(IDS[family], price_per_image=Decimal("0.1")).spec
    assert own.price(request) == Decimal("0.1")


@pytest.mark.parametrize("model_id", UNKNOWN)
def test_an_unlisted_id_offers_what_every_current_model_supports(model_id: str) -> None:
    spec = provider_for(model_id).spec
    assert {resolution for _, resolution in spec.sizes} == {"1K", "2K"}
    assert spec.max_references == 10
    for current in ("5-5", "5-0-pro", "5-0-flash"):
        assert spec.sizes == provider_for(IDS[current]).spec.sizes


@pytest.mark.parametrize(
    "model_id", ["doubao-seedream-5-5-261028", "dola-seedream-5-0-pro-260628", "seedream-5-0-flash-260915"]
)
def test_a_model_without_a_published_price_in_cny_has_none(model_id: str) -> None:
    spec = provider_for(model_id).spec
    assert not spec.is_priced
    assert "不认识" not in spec.setup.about


@pytest.mark.parametrize("family", ["4-0-250828", "4-5-251128", "5-0-260128", "5-0-lite-260128"])
def test_the_mainland_ids_of_the_old_families_have_ended(service: FakeSeedream, family: str) -> None:
    spec = provider_for(f"doubao-seedream-{family}").spec
    assert not spec.is_retired(date(2026, 11, 23))
    assert spec.is_retired(date(2026, 11, 24))
    assert "改用 doubao-seedream-5-0-pro-260628" in str(spec.retirement_notice(date(2026, 11, 24)))
    error = failure(lambda: opened(service, seedream_model=f"doubao-seedream-{family}").submit(FOX, ()))
    assert error.pauses_batch


@pytest.mark.parametrize("prefix", ["seedream-", "dola-seedream-"])
def test_outside_the_mainland_the_old_families_go_on(service: FakeSeedream, prefix: str) -> None:
    model = opened(service, seedream_model=f"{prefix}4-5-251128")
    assert model.spec.retirement is None
    assert model.submit(FOX, ()).task_id


@pytest.mark.parametrize("model_id", [*(IDS[name] for name in ("5-5", "5-0-pro", "5-0-flash")), "ep-1"])
def test_no_end_is_said_of_a_model_that_goes_on(model_id: str) -> None:
    spec = provider_for(model_id).spec
    assert not spec.is_retired(date(2100, 1, 1))
    assert spec.retirement_notice(date(2100, 1, 1)) is None


def test_a_refused_picture_is_final_and_may_be_billed(model: Seedream) -> None:
    error = failure(lambda: model.submit(replace(FOX, prompt="必拒"), ()))
    assert (error.cause, error.billed, error.retryable) == ("moderation", Billed.UNKNOWN, False)
    assert "没有通过审核" in str(error)


class Careless(FakeSeedream):
    """Puts an error beside each picture, or, with ``refuses``, instead of it."""

    code = "ContentSecurityDetectionError"
    refuses = False

    def _made(self, order: Submission) -> dict[str, Any]:
        answer = super()._made(order)
        (picture,) = answer["data"]
        about = {"code": self.code, "message": "words"}
        return {**answer, "data": [{"error": about, **({} if self.refuses else picture)}]}


def test_a_picture_with_an_error_beside_it_is_paid_once(settings: Settings, db: database.Connection) -> None:
    with Careless() as service:
        harness = open_harness(settings, service, db)
        record = harness.make("猫")
        for _ in range(8):
            harness.hurry()
            harness.step()
        assert harness.record(record.id).status is Status.SUCCESS
        assert (service.charges, harness.outcomes()) == (1, ["billed"])


@pytest.mark.parametrize("code", ["QuotaExceeded", "AccountOverdueError"])
def test_what_meets_every_row_pauses_the_batch_though_the_first_may_be_billed(
    settings: Settings, db: database.Connection, code: str
) -> None:
    with Careless() as service:
        service.code, service.refuses = code, True
        harness = open_harness(settings, service, db)
        batch_id, ids = harness.ask("猫", "狗")
        assert harness.step()
        assert database.get_batch(db, batch_id).status is BatchStatus.PAUSED
        harness.hurry()
        assert not harness.step()
        assert harness.record(ids[0]).status is Status.UNKNOWN
        assert (service.count("submit"), harness.outcomes()) == (1, ["unknown"])


def test_an_inactive_model_pauses_and_names_the_setting(service: FakeSeedream) -> None:
    error = failure(lambda: opened(service, seedream_model="doubao-seedream-5-0-pro-1").submit(FOX, ()))
    assert error.pauses_batch
    assert "SEEDREAM_MODEL" in str(error)


def test_an_inline_image_is_accepted(model: Seedream) -> None:
    assert model._read(answer(200, {"data": [{"b64_json": "YWJj"}]})).image is not None


@pytest.mark.parametrize(
    ("param", "pauses"), [("watermark", True), ("output_format", True), ("size", False), ("", False)]
)
def test_a_refused_field_of_every_request_pauses(model: Seedream, param: str, pauses: bool) -> None:
    about = {
        "code": "InvalidParameter",
        "message": f"the parameter `{param}` is not supported",
        "param": param,
    }
    error = failure(lambda: model._read(answer(400, {"error": about})))
    assert (error.cause, error.billed, error.pauses_batch) == ("request", Billed.NO, pauses)
    assert "not supported" in str(error)

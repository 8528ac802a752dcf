"""Checks say what was seen and what a platform asks for."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

from app.delivery.checks import Check, check, check_size
from app.delivery.profiles import BUILT_IN, Profile, Rule, finish_of
from app.images.finishing import Finished, finish
from tools.noise_images import noise_image

WHITE_SLOT, AMAZON = BUILT_IN["淘宝/天猫 白底图"], BUILT_IN["Amazon MAIN"]
GROUND = ("white_ground", "fill", "edge")


def goods(share: float, ground: str = "white", size: int = 1600) -> bytes:
    """Noise that takes up this share of the axes, in the middle of a ground."""
    image = Image.new("RGB", (size, size), ground)
    side = round(size * share)
    noise = Image.open(io.BytesIO(noise_image("png", size=(side, side)))).point(lambda level: level // 2)
    image.paste(noise, ((size - side) // 2,) * 2)
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return packed.getvalue()


def of(profile: Profile, content: bytes, name: str = "SKU/a-1.jpg") -> dict[str, Check]:
    finished = finish(content, finish_of(profile))
    return {found["rule"]: found for found in check(profile, name, finished, finished.source)}


def results(checks: dict[str, Check]) -> dict[str, str]:
    return {rule: found["result"] for rule, found in checks.items()}


def test_a_picture_that_fits_passes_every_check() -> None:
    checks = of(WHITE_SLOT, goods(0.75))
    assert set(results(checks)) == {"pixels", "ratio", "enlarged", "name", "bytes", "format", *GROUND}
    assert set(results(checks).values()) == {"pass"}
    assert str(checks["fill"]["seen"]) == "75%（面积 56%）"


@pytest.mark.parametrize(
    ("content", "failing"),
    [
        (lambda: goods(0.5, "#d8d4d0"), {"white_ground", "fill"}),
        (lambda: goods(0.75, size=600), {"fill"}),
        (lambda: goods(0.75, size=400), {"enlarged"}),
    ],
    ids=["small on grey", "placed as it is", "enlarged"],
)
def test_what_does_not_fit_fails_by_name(content: Callable[[], bytes], failing: set[str]) -> None:
    found = results(of(replace(WHITE_SLOT, min_kb=0, rules=WHITE_SLOT.rules[1:]), content()))
    assert {rule for rule, result in found.items() if result == "fail"} == failing


def test_goods_on_a_scene_are_not_measured() -> None:
    found = of(WHITE_SLOT, noise_image("png", size=(1600, 1600)))
    assert {rule: found[rule]["result"] for rule in GROUND} == {
        "white_ground": "fail",
        "fill": "not_checked",
        "edge": "not_checked",
    }
    assert str(found["white_ground"]["seen"]) == "背景不是纯色，不能当白底图"
    assert str(found["fill"]["seen"]) == "背景不是纯色，测不了"


def test_goods_as_wide_as_the_frame_fill_it() -> None:
    image = Image.new("RGB", (800, 800), "white")
    image.paste("black", (0, 200, 800, 600))
    packed = io.BytesIO()
    image.save(packed, "PNG")
    found = of(WHITE_SLOT, packed.getvalue())["fill"]
    assert (found["result"], str(found["seen"])) == ("fail", "商品占满了画面")
    assert str(found["wanted"]) == "70–80 %（最长边）"


def test_a_file_smaller_than_a_platform_is_used_to_is_a_hint() -> None:
    packed = io.BytesIO()
    Image.new("RGB", (800, 800), "white").save(packed, "PNG")
    found = of(WHITE_SLOT, packed.getvalue())["bytes"]
    assert (found["result"], str(found["wanted"])) == ("hint", "40 KB 到 300 KB")


def test_before_a_picture_is_made_what_its_size_decides_is_known() -> None:
    known = {found["rule"]: found for found in check(AMAZON, "B000123456.MAIN.jpg", None, (640, 640))}
    assert results(known) == {
        "ratio": "pass",
        "pixels": "pass",
        "smaller": "fail",
        "enlarged": "fail",
        "name": "pass",
    }
    assert str(known["enlarged"]["seen"]) == "原图 640×640，要 1000×1000"
    assert str(known["pixels"]["wanted"]) == "2000×2000、长边 1000 到 10000"


def test_a_picture_that_stays_smaller_than_its_profile_is_told() -> None:
    profile = BUILT_IN["淘宝/天猫 主图"]
    known = {found["rule"]: found for found in check(profile, "猫.jpg", None, (1024, 1024))}
    assert (known["pixels"]["result"], known["smaller"]["result"]) == ("pass", "fail")
    assert (str(known["smaller"]["seen"]), str(known["smaller"]["wanted"])) == ("1024×1024", "1440×1440")
    assert "smaller" not in {found["rule"] for found in check(profile, "猫.jpg", None, (2048, 2048))}


@pytest.mark.parametrize(
    ("side", "seen"),
    [(1024, "四周补边，原图只占 71 %"), (1439, None), (1440, None), (2048, None), (800, None)],
)
def test_a_border_around_an_original_that_is_a_little_too_small_fails(side: int, seen: str | None) -> None:
    profile = Profile(name="我的", width=1440, height=1440)
    found = {one["rule"]: one for one in check(profile, "猫.jpg", None, (side, side - 200))}.get("padded")
    assert (found and (found["result"], str(found["seen"]))) == (seen and ("fail", seen))


def test_a_border_around_a_scene_of_another_shape_is_a_hint() -> None:
    found = of(Profile(name="我的", width=900, height=600), noise_image("png", size=(600, 600)))["padded"]
    assert (found["result"], str(found["seen"])) == ("hint", "背景不是纯色，补的边会像加了框")


@pytest.mark.parametrize(
    ("profile", "name", "result"),
    [
        (AMAZON, "B000123456.MAIN.jpg", "pass"),
        (AMAZON, "folder/B000123456.PT01.jpg", "pass"),
        (AMAZON, "B000123456.jpg", "pass"),
        (AMAZON, "B000123456_MAIN.jpg", "fail"),
        (AMAZON, "B000123456.main.jpg", "fail"),
        (AMAZON, "红色 杯子.MAIN.jpg", "fail"),
        (WHITE_SLOT, "杯" * 50 + ".jpg", "pass"),
        (WHITE_SLOT, "杯" * 51 + ".jpg", "fail"),
    ],
)
def test_names_are_those_that_the_platform_takes(profile: Profile, name: str, result: str) -> None:
    found = {c["rule"]: c for c in check(profile, name, None, (2000, 2000))}["name"]
    assert found["result"] == result
    if result == "fail":
        platform = "超过 50 个字，淘宝会截断" if profile is WHITE_SLOT else "不是 ASIN.MAIN 这样的名字"
        assert str(found["seen"]).startswith(platform)


def test_bytes_format_and_quality_are_those_of_the_file() -> None:
    ebay = BUILT_IN["eBay"]
    finished = finish(goods(0.9), finish_of(ebay))
    assert set(results(_all(ebay, finished)).values()) == {"pass"}
    assert results(_all(ebay, replace(finished, quality=89)))["quality"] == "fail"
    assert results(_all(ebay, replace(finished, quality=None)))["quality"] == "not_checked"
    assert results(_all(ebay, replace(finished, content=noise_image("png"))))["format"] == "fail"
    small = replace(ebay, max_kb=10)
    assert results(_all(small, finished))["bytes"] == "fail"
    assert str(_all(small, finished)["bytes"]["wanted"]) == "最多 10 KB"


def test_a_detail_picture_that_is_too_narrow_fails() -> None:
    detail = BUILT_IN["详情页"]
    wide, narrow = (check(detail, "a.jpg", None, (width, 1500)) for width in (790, 470))
    assert [found["result"] for found in wide if found["rule"] == "pixels"] == ["pass"]
    assert [found["result"] for found in narrow if found["rule"] == "pixels"] == ["fail"]


def _all(profile: Profile, finished: Finished) -> dict[str, Check]:
    return {found["rule"]: found for found in check(profile, "a.jpg", finished, finished.source)}


@pytest.mark.parametrize(("at_least", "result"), [(None, "fail"), (480, "pass")])
def test_a_smaller_picture_fails_unless_the_profile_says_how_small_it_may_be(
    at_least: int | None, result: str
) -> None:
    rules = (Rule(rule="long_side", at_least=at_least),) if at_least else ()
    profile = replace(WHITE_SLOT, fit="crop", rules=rules)
    smaller = replace(finish(goods(0.75), finish_of(profile)), width=600, height=600)
    found = {each["rule"]: each["result"] for each in check_size(profile, (600, 600), smaller)}
    assert (found["pixels"], found.get("smaller", "none")) == (result, "fail" if at_least else "none")


def test_the_stricter_of_two_bounds_on_the_bytes_counts() -> None:
    finished = finish(goods(0.75), finish_of(WHITE_SLOT))
    kb = len(finished.content) / 1000
    wide, narrow = int(kb) + 100, int(kb) - 1

    def bytes_of(own: int, rule: int) -> str:
        profile = replace(WHITE_SLOT, max_kb=own, min_kb=0, rules=(Rule(rule="bytes", at_most=rule),))
        return next(
            each["result"]
            for each in check(profile, "a.jpg", finished, finished.source)
            if each["rule"] == "bytes"
        )

    assert [bytes_of(wide, narrow), bytes_of(narrow, wide), bytes_of(wide, wide)] == ["fail", "fail", "pass"]

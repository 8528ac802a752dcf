"""Validation of untrusted fields by field name, and exact sizes."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import ASPECT_RATIOS, ImageRequest, ModelSpec, SampleImage, SizeRule, exact_size, file_key
from app.errors import InvalidRequest


@pytest.mark.parametrize(
    ("field", "written", "understood"),
    [
        *(("aspect_ratio", written, "16:9") for written in ("16:9", "16：9", "16∶9", "16x9", "１６:９")),
        *(("aspect_ratio", written, "16:9") for written in (" 16 : 9 ", "16×9", "16/9", "16比9")),
        *(("resolution", written, "2K") for written in ("2k", "2K", "２Ｋ", " 2k ")),
        *(("num_images", written, 3) for written in (3, 3.0, "３", "3.0", " 3 ")),
        *(("num_images", written, 1) for written in ("", None)),
        ("seed", -1, None),
    ],
)
def test_a_value_is_understood_however_it_is_written(field: str, written: object, understood: object) -> None:
    assert getattr(ImageRequest.parse({"prompt": "猫", field: written}), field) == understood


UNSEEN = "\u00ad\u061c\u180e\u200b\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\u00a0\u3000\u200c\u200d"


@pytest.mark.parametrize("sign", UNSEEN)
def test_invisible_characters_are_ignored_in_choices_and_numbers_and_at_the_ends_of_texts(sign: str) -> None:
    fields = {"aspect_ratio": f"{sign}16{sign}:{sign}9{sign}", "resolution": f"{sign}4k{sign}"}
    numbers = {"num_images": f"{sign}3{sign}", "seed": f"{sign}42", "steps": sign}
    texts = {"prompt": f"{sign}\n{sign}猫 狗{sign}", "negative_prompt": f"{sign}水印{sign}"}

    request = ImageRequest.parse({**fields, **numbers, **texts, "filename": f"{sign}橘\u200b猫{sign}"})

    assert (request.aspect_ratio, request.resolution) == ("16:9", "4K")
    assert (request.num_images, request.seed, request.steps) == (3, 42, None)
    assert (request.prompt, request.negative_prompt, request.filename) == ("猫 狗", "水印", "橘猫")


@pytest.mark.parametrize("field", ["aspect_ratio", "resolution", "num_images", "seed", "steps"])
def test_a_field_of_invisible_characters_is_empty(field: str) -> None:
    empty = ImageRequest.parse({"prompt": "猫", "num_images": ""})
    assert ImageRequest.parse({"prompt": "猫", field: " \u200b\ufeff"}) == empty


def test_an_emoji_made_of_parts_stays_whole() -> None:
    for emoji in ("👨\u200d👩\u200d👧", "❤\ufe0f", "🏳\ufe0f\u200d🌈", "🏴\U000e0067\U000e0062\U000e007f"):
        request = ImageRequest.parse({"prompt": f"\u200b{emoji}\u200b", "filename": emoji})
        assert (request.prompt, request.filename) == (emoji, emoji)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "  \n "),
        *(
            ("prompt", text)
            for text in ("\u200b", "\ufeff \u200d\n", "\u3000\u00a0", "\ufe0f", "\u200e\ufe0f\u2060")
        ),
        ("prompt", 7),
        ("prompt", "长" * 10_001),
        ("negative_prompt", ["x"]),
        ("aspect_ratio", "5:7"),
        ("aspect_ratio", "20x30"),
        ("resolution", "800x"),
        ("aspect_ratio", {"a": 1}),
        ("resolution", "8K"),
        *(("num_images", value) for value in (0, 11, 2.5, True, "many")),
        *(("seed", value) for value in (-2, 2**40)),
        *(("steps", value) for value in (0, 151)),
        ("filename", "x" * 201),
        *(("sample_images", value) for value in ("not json", [{"url": "a"}], 5)),
        ("sample_images", [{"url": "a", "filename": "b"}] * 17),
    ],
)
def test_an_out_of_range_value_is_reported_with_its_field(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as complaint:
        ImageRequest.parse({"prompt": "猫"} | {field: value})
    assert complaint.value.field == field


def test_every_bad_field_is_reported_at_once() -> None:
    request, problems = ImageRequest.read({"prompt": "", "aspect_ratio": "x", "num_images": 99})
    assert request is None
    assert [problem.field for problem in problems] == ["prompt", "aspect_ratio", "num_images"]


@given(
    st.dictionaries(
        st.sampled_from(["prompt", "seed", "num_images", "aspect_ratio", "sample_images"]), st.text()
    )
)
def test_parsing_a_request_never_crashes(fields: dict[str, str]) -> None:
    request, problems = ImageRequest.read(fields)
    assert (request is None) == bool(problems)


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
@pytest.mark.parametrize("area", [1024**2, 2048**2, 4096**2])
def test_a_computed_size_has_the_exact_ratio_within_the_limits(ratio: str, area: int) -> None:
    across, down = map(int, ratio.split(":"))
    size = exact_size(ratio, area, SizeRule(min_area=1024**2))
    assert Fraction(size.width, size.height) == Fraction(across, down)
    assert 1024**2 <= size.area <= 4096**2


def test_no_other_exact_size_is_closer_to_the_area() -> None:
    size = exact_size("16:9", 1024**2, SizeRule(min_area=1024**2))
    assert (size.width, size.height) == (1376, 774)  # one step smaller is under the minimum


def test_a_model_drops_unsupported_fields(spec: ModelSpec) -> None:
    plain = replace(spec, takes_seed=False, takes_steps=False)
    accepted = plain.strip_unsupported(ImageRequest(prompt="猫", seed=7, steps=30))
    assert (accepted.seed, accepted.steps) == (None, None)


def test_a_model_refuses_an_unsupported_resolution(spec: ModelSpec) -> None:
    small = replace(spec, sizes={("1:1", "1K"): exact_size("1:1", 1024**2, SizeRule())})
    problems = small.validate(ImageRequest(prompt="猫", resolution="4K"))
    assert [problem.field for problem in problems] == ["resolution"]
    assert "1K" in str(problems[0])


def test_a_local_reference_is_refused_for_a_model_that_needs_public_urls(spec: ModelSpec) -> None:
    image = SampleImage(url="/samples/files/a.png", filename="a.png")
    base = ImageRequest(prompt="猫", sample_images=(image,))
    public = SampleImage(url="https://example.com/b.png", filename="b.png")
    strict = replace(spec, reference_form="url")
    assert not spec.validate(base)
    assert not strict.validate(replace(base, sample_images=(public,)))
    for images in ((image,), (image, image, public)):
        (problem,) = strict.validate(replace(base, sample_images=images))
        assert (problem.field, problem.message) == ("sample_images", strict.local_reference_problem)


def test_too_many_references_are_counted_whatever_the_model_does_with_them(spec: ModelSpec) -> None:
    image = SampleImage(url="https://example.com/a.png", filename="a.png")
    noted = replace(spec, max_references=2, field_notes={"sample_images": "只用作构图"})
    (problem,) = noted.validate(ImageRequest(prompt="猫", sample_images=(image,) * 3))
    assert "最多接受 2 张参考图" in str(problem)


def test_only_models_that_need_public_urls_refuse_local_references(spec: ModelSpec) -> None:
    problem = str(replace(spec, reference_form="url").local_reference_problem)
    assert "请换一个模型，或设置 OSS" in problem
    assert spec.local_reference_problem == replace(spec, reference_form="bytes").local_reference_problem == ""
    assert replace(spec, reference_form="url", max_references=0).local_reference_problem == ""


def test_names_a_file_system_treats_as_equal_share_a_key() -> None:
    assert file_key("Café") == file_key("CAFE\u0301")
    assert file_key("猫") != file_key("狗")

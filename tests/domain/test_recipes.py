"""Recipes: what is read, and the rows that one asks of a product."""

from typing import Any

import pytest

from app.domain.recipes import MAX_ROLES, Product, expand, read_recipe, variants_of
from app.errors import InvalidRequest

MAIN = {"role": "主图", "prompt": "{品名}，白底", "sample_images": [{"column": "产品图"}]}
SCENE = {"role": "场景", "prompt": "{品名}放在桌上", "aspect_ratio": "3：4", "num_images": 2}
ONE = {"role": "图片", "prompt": "高清，{原提示词}"}
CUP = Product(fields={}, columns={"SKU": "A-1", "品名": "杯子", "产品图": "a.png"})


def rows(roles: list[dict[str, Any]], product: Product = CUP) -> dict[tuple[str, str], dict[str, Any]]:
    asked = expand(read_recipe("套图", {"roles": roles}), product, key_column="SKU")
    return {key: dict(each.fields) for key, each in asked.items()}


def test_a_role_asks_its_words_of_each_product() -> None:
    assert rows([MAIN, SCENE]) == {
        ("主图", ""): {
            "prompt": "{品名}，白底",
            "filename": "{SKU}_{角色}",
            "sample_images": [{"url": "", "filename": "{产品图}"}],
        },
        ("场景", ""): {
            "prompt": "{品名}放在桌上",
            "aspect_ratio": "3:4",
            "num_images": 2,
            "filename": "{SKU}_{角色}",
        },
    }


def test_what_a_role_does_not_say_is_that_of_the_product() -> None:
    own = {"prompt": "青花", "resolution": "4K", "filename": "茶/一", "aspect_ratio": "1:1"}
    own["sample_images"] = [{"url": "", "filename": "b.png"}]  # type: ignore[assignment]
    both = {
        **MAIN,
        "prompt": "{原提示词}，白底",
        "sample_images": [{"column": "参考图"}, {"column": "产品图2"}],
    }
    found = rows([both, SCENE], Product(fields=own, columns={"原提示词": "青花"}))
    assert found["主图", ""] == {
        "prompt": "{原提示词}，白底",
        "resolution": "4K",
        "aspect_ratio": "1:1",
        "filename": "茶/一_{角色}",
        "sample_images": [{"url": "", "filename": "b.png"}, {"url": "", "filename": "{产品图2}"}],
    }
    assert (found["场景", ""]["aspect_ratio"], found["场景", ""]["sample_images"]) == (
        "3:4",
        own["sample_images"],
    )


def test_variants_are_rows_of_their_own_with_a_part_of_the_name() -> None:
    role = {"role": "主图", "prompt": "{红|蓝}{大|小}杯 {{a|b}}", "file_name": "{SKU}/{角色}"}
    found = rows([role, {"role": "白底", "prompt": "白底", "file_name": "{SKU}"}])
    assert [(key[1], fields["prompt"]) for key, fields in found.items()] == [
        ("红·大", "红大杯 {{a|b}}"),
        ("红·小", "红小杯 {{a|b}}"),
        ("蓝·大", "蓝大杯 {{a|b}}"),
        ("蓝·小", "蓝小杯 {{a|b}}"),
        ("", "白底"),
    ]
    assert [fields["filename"] for fields in found.values()] == [*["{SKU}/{角色}_{变体}"] * 4, "{SKU}"]


def test_the_own_words_of_a_product_may_have_variants() -> None:
    product = Product(fields={}, columns={"原提示词": "{红|蓝}杯子"})
    found = rows([{"role": "主图", "prompt": "{原提示词}，白底"}], product)
    assert [fields["prompt"] for fields in found.values()] == ["红杯子，白底", "蓝杯子，白底"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("", "高清，{原提示词}"),
        ("杯子", "高清，{原提示词}"),
        (" {SKU} 的杯子", "高清，{SKU} 的杯子"),
        ("x" * 2_001, f"高清，{'x' * 2_001}"),
    ],
)
def test_own_words_with_braces_or_too_long_for_a_cell_are_put_in(written: str, asked: str) -> None:
    product = Product(fields={"filename": "茶/一"}, columns={"原提示词": written})
    (row,) = expand(read_recipe("一", {"roles": [ONE]}), product, key_column="SKU").values()
    assert row.fields == {"prompt": asked, "filename": "茶/一"}
    assert row.columns["原提示词"] == ("" if len(written) > 2_000 else written)


def test_one_role_gives_no_file_name() -> None:
    assert rows([ONE]) == {("图片", ""): {"prompt": ONE["prompt"]}}


def test_variants_past_the_bound_of_a_run_are_refused_with_their_number() -> None:
    words = "{1|2|3|4|5|6|7|8|9|10}" * 5
    with pytest.raises(InvalidRequest, match="100000 张"):
        variants_of(words)


@pytest.mark.parametrize(
    ("roles", "field", "said"),
    [
        ([], "roles", "1–30 个角色"),
        ([{"role": f"r{n}", "prompt": "a"} for n in range(MAX_ROLES + 1)], "roles", "现在有 31 个"),
        ([MAIN, {"role": "场景", "prompt": " "}], "roles.2.prompt", "角色「场景」：请填写提示词"),
        ([MAIN, {**SCENE, "role": "主 图".replace(" ", "")}], "roles.2.role", "两个角色都叫「主图」"),
        ([{"prompt": "a"}], "roles.1.role", "第 1 个角色请写一个名字"),
        ([{**MAIN, "aspect_ratio": "9:1"}], "roles.1.aspect_ratio", "不支持的图片比例"),
        ([{**MAIN, "num_images": 11}], "roles.1.num_images", "1–10"),
        ([{**MAIN, "prompt": "{红|}杯"}], "roles.1.prompt", "空的一项"),
        ([{**MAIN, "sample_images": [{"column": ""}]}], "roles.1.sample_images", "列名"),
        ([{**MAIN, "words": "a"}], "roles.1.words", "没有「words」"),
    ],
)
def test_a_recipe_that_is_wrong_says_where(roles: list[dict[str, Any]], field: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as problem:
        read_recipe("套图", {"roles": roles})
    assert problem.value.field == field
    assert said in str(problem.value.message)


def test_a_recipe_comes_back_as_it_was_written() -> None:
    written = {"name": "套图", "category": "类目", "roles": [
        {**MAIN, "file_name": "{SKU}", "sample_images": [{"column": "图"}, {"url": "/s/1", "filename": "b"}]},
        {**SCENE, "aspect_ratio": "3:4"},
    ]}  # fmt: skip
    assert read_recipe("套图", written).as_json() == written

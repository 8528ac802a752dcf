"""Settings: defaults, the model chosen by its keys, one sentence for a wrong value."""

from decimal import Decimal
from pathlib import Path

import pytest

from config import Settings, load_settings, read_settings
from errors import SettingError


def test_without_any_setting_the_demo_model_serves_on_loopback() -> None:
    settings = read_settings({})
    assert (settings.image_model, settings.host, settings.port) == ("demo", "127.0.0.1", 5000)


@pytest.mark.parametrize(
    ("values", "model"),
    [
        ({"VOLCENGINE_AK": "a", "VOLCENGINE_SK": "b", "ARK_API_KEY": "c"}, "jimeng"),
        ({"VOLCENGINE_AK": "a"}, "demo"),
        ({"ARK_API_KEY": "c"}, "seedream"),
        ({"ARK_API_KEY": "c", "IMAGE_MODEL": "SDAPI"}, "sdapi"),
    ],
)
def test_the_model_follows_the_keys_unless_it_is_named(values: dict[str, str], model: str) -> None:
    assert read_settings(values).image_model == model


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("IMAGE_MODEL", "midjourney"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("MODEL_CONCURRENCY", "0"),
        ("MODEL_TIMEOUT", "-1"),
        ("PRICE_PER_IMAGE", "free"),
        ("PRICE_PER_IMAGE", "NaN"),
        ("BUDGET", "-5"),
        ("OSS_ENABLED", "maybe"),
        ("JIMENG_ENDPOINT", "visual.volcengineapi.com"),
        ("SDAPI_URL", "ftp://x"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{variable}："):
        read_settings({variable: value})


def test_another_host_without_a_password_is_refused() -> None:
    with pytest.raises(SettingError, match="ACCESS_PASSWORD"):
        read_settings({"HOST": "0.0.0.0"})
    assert read_settings({"HOST": "0.0.0.0", "ACCESS_PASSWORD": "x"}).host == "0.0.0.0"


def test_an_empty_value_counts_as_unset() -> None:
    assert read_settings({"BUDGET": " ", "PORT": ""}).budget is None


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("\ufeffBUDGET=10\nPORT=5050\n", encoding="utf-8")
    settings = load_settings({"PORT": "6060"}, dotenv)
    assert (settings.budget, settings.port) == (Decimal(10), 6060)


def test_keys_do_not_show_when_settings_are_printed() -> None:
    settings = read_settings(
        {"VOLCENGINE_AK": "AKLT123", "VOLCENGINE_SK": "secret", "ACCESS_PASSWORD": "pw1"}
    )
    assert not any(word in repr(settings) for word in ("AKLT123", "secret", "pw1"))


def test_a_model_says_which_keys_it_still_needs() -> None:
    assert Settings(image_model="jimeng", volcengine_ak="a").missing_keys == ["VOLCENGINE_SK"]


def test_the_example_file_names_every_setting() -> None:
    text = Path(__file__).parents[1].joinpath(".env.example").read_text("utf-8")
    from config import _READERS

    assert [name for name in _READERS if f"{name}=" not in text] == []

"""Settings: defaults, the model chosen by its keys, one sentence for a wrong value."""

import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from app.config import REQUIRED, SETTINGS, Settings, load_settings, read_settings
from app.errors import SettingError
from tools.settings_docs import documents

ROOT = Path(__file__).parents[1]


def test_without_any_setting_the_demo_model_serves_on_loopback() -> None:
    settings = read_settings({})
    assert (settings.image_model, settings.host, settings.port) == ("demo", "127.0.0.1", 5000)


@pytest.mark.parametrize(
    ("values", "model"),
    [
        ({"VOLCENGINE_AK": "a", "VOLCENGINE_SK": "b", "ARK_API_KEY": "c"}, "jimeng"),
        ({"VOLCENGINE_AK": "a"}, "demo"),
        ({"ARK_API_KEY": "c"}, "seedream"),
        ({"ARK_API_KEY": "c", "DASHSCOPE_API_KEY": "d"}, "seedream"),
        ({"DASHSCOPE_API_KEY": "d"}, "bailian"),
        ({"GEMINI_API_KEY": "e"}, "gemini"),
        ({"TOKENHUB_API_KEY": "f"}, "tokenhub"),
        ({"ARK_API_KEY": "c", "IMAGE_MODEL": "SDAPI"}, "sdapi"),
    ],
)
def test_the_model_follows_the_keys_unless_it_is_named(values: dict[str, str], model: str) -> None:
    assert read_settings(values).image_model == model


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("IMAGE_MODEL", "midjourney"),
        ("USD_CNY", "0"),
        ("JIMENG_AIGC_PRODUCER", "雪山工作室"),
        ("PORT", "http"),
        ("PORT", "70000"),
        ("MODEL_CONCURRENCY", "0"),
        ("MODEL_TIMEOUT", "-1"),
        ("PRICE_PER_IMAGE", "free"),
        ("PRICE_PER_IMAGE", "NaN"),
        ("PRICE_PER_IMAGE", "1_0"),
        ("PRICE_PER_IMAGE", "٣"),
        ("PRICE_PER_IMAGE", "1e-9"),
        ("PRICE_PER_IMAGE", "0.0000001"),
        ("BUDGET", "10000000.01"),
        ("OSS_SAMPLE_PREFIX", "/"),
        ("OSS_OUTPUT_PREFIX", "//"),
        ("BUDGET", "-5"),
        ("OSS_ENABLED", "maybe"),
        ("JIMENG_ENDPOINT", "visual.volcengineapi.com"),
        ("SDAPI_URL", "ftp://x"),
        ("ARK_API_KEY", "你的 API Key"),
        ("VOLCENGINE_SK", "c2VjcmV0\u200b"),
        ("OPENAI_API_KEY", "sk-1 sk-2"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_variable(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"^{variable}：") as caught:
        read_settings({variable: value})
    assert "KEY" not in variable or value not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        *[("DATABASE_PATH", path, "文件名") for path in (".", "/")],
        *[
            ("ALLOWED_HOSTS", f"nas.local,{name}", r"mac\.local")
            for name in ("http://mac.local", "mac.local:5000", "*.local", "mac.local；nas.local", "a b")
        ],
        *[
            ("TRUSTED_PROXIES", f"10.0.0.5, {value}", value)
            for value in ("proxy", "10.0.0.0/33", "10.0.0.5;10.0.0.6")
        ],
        ("OUTPUT_STORE", "oss", "OSS_ENABLED"),
    ],
)
def test_a_refusal_says_what_would_be_right(variable: str, value: str, said: str) -> None:
    with pytest.raises(SettingError, match=f"^{variable}：.*{said}"):
        read_settings({variable: value})


def test_hosts_are_read_as_a_list_in_small_letters() -> None:
    assert read_settings({"ALLOWED_HOSTS": "NAS.local, fd00::5"}).allowed_hosts == ("nas.local", "fd00::5")


def test_images_in_oss_have_a_prefix_of_their_own_that_is_not_below_the_references() -> None:
    values = {"OSS_ENABLED": "true", "OUTPUT_STORE": "oss"}
    assert read_settings(values).oss_output_prefix == "ai-images/output/"
    assert read_settings(values | {"OSS_OUTPUT_PREFIX": "pictures"}).oss_output_prefix == "pictures/"
    for prefix in ("ai-images/sample", "ai-images/sample/output/"):
        below = values | {"OSS_OUTPUT_PREFIX": prefix}
        with pytest.raises(SettingError, match=r"^OSS_OUTPUT_PREFIX：.*ai-images/sample/"):
            read_settings(below)
        assert read_settings(below | {"OUTPUT_STORE": "local"}).oss_output_prefix


def test_another_host_without_a_password_is_refused() -> None:
    with pytest.raises(SettingError, match="ACCESS_PASSWORD"):
        read_settings({"HOST": "0.0.0.0"})
    assert read_settings({"HOST": "0.0.0.0", "ACCESS_PASSWORD": "x"}).host == "0.0.0.0"


def test_an_empty_value_counts_as_unset() -> None:
    assert read_settings({"BUDGET": " ", "PORT": ""}).budget is None


def loaded(folder: Path, text: str, encoding: str = "utf-8", **environment: str) -> Settings:
    """The settings with this text as their file."""
    dotenv = folder / ".env"
    dotenv.write_bytes(text.encode(encoding))
    return load_settings(environment, dotenv)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "\ufeffBUDGET=10\nPORT=5050\n", PORT="6060")
    assert (settings.budget, settings.port) == (Decimal(10), 6060)


def test_a_file_in_another_encoding_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"\.env.*UTF-8"):
        loaded(tmp_path, "# 预算\nBUDGET=10\n", "gbk")


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (r"OUTPUT_DIR=D:\new\temp", r"D:\new\temp"),
        (r"OUTPUT_DIR=D:\new\temp   # 图片", r"D:\new\temp"),
        (r'OUTPUT_DIR="D:\new\temp"', r"D:\new\temp"),
        (r"OUTPUT_DIR = 'D:\new\temp'  ", r"D:\new\temp"),
        (r'OUTPUT_DIR="D:\new #1\图片 (2)" # 给 "工作室" 的', r"D:\new #1\图片 (2)"),
        ('OUTPUT_DIR="D:\\new\\temp\\"', "D:\\new\\temp\\"),
        (r'OUTPUT_DIR="D:\\new\\temp"', r"D:\new\temp"),
        (r'export OUTPUT_DIR="\\server\share\new"', r"\\server\share\new"),
        (r'OUTPUT_DIR="\\\\server\\share"', r"\\server\share"),
        ("OUTPUT_DIR=", "output"),
        ("OUTPUT_DIR= # 空着", "output"),
    ],
)
def test_a_path_is_taken_literally(tmp_path: Path, line: str, path: str) -> None:
    settings = loaded(tmp_path, f"\ufeffBUDGET=10\r\n{line}\r\nPORT=5050\r\n")
    assert (settings.output_dir, settings.budget, settings.port) == (Path(path), Decimal(10), 5050)


def test_quotes_around_a_path_are_removed() -> None:
    assert read_settings({"OUTPUT_DIR": r'"D:\new"'}).output_dir == Path(r"D:\new")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PORT=1\nPORT 5001\n", ".env：第 2 行"),
        ("\n\n# 端口\nPORT：5001\n", ".env：第 4 行"),
        ("ARK_API_KEY=sk-'1\nACCESS_PASSWORD='geheim\n", ".env：第 2 行"),
        ('ACCESS_PASSWORD="D:\\new"\n', "ACCESS_PASSWORD：值里有换行"),
        ('ACCESS_PASSWORD="geheim\nBUDGET=1\nARK_API_KEY="sk-1\n', ".env：第 1 行"),
    ],
)
def test_an_invalid_line_is_reported_by_its_number_and_not_shown(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(SettingError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(message)
    assert not any(secret in str(caught.value) for secret in ("geheim", "sk-1", "5001"))


def test_single_quotes_and_dollar_signs_are_literal(tmp_path: Path) -> None:
    assert loaded(tmp_path, "ACCESS_PASSWORD='a\\new${HOME}'\n").access_password == "a\\new${HOME}"


def test_the_samples_and_output_folders_must_differ() -> None:
    for output, samples in (("data/output", "data/output-samples"), ("data", "data/samples")):
        values = {"DATABASE_PATH": "data/x.db", "OUTPUT_DIR": output, "SAMPLES_DIR": samples}
        assert read_settings(values).samples_dir == Path(samples)
    with pytest.raises(SettingError, match=r"^SAMPLES_DIR：不能和 OUTPUT_DIR"):
        read_settings({"OUTPUT_DIR": "pictures", "SAMPLES_DIR": "./pictures"})


def test_a_password_in_an_invalid_url_is_not_shown() -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({"SDAPI_URL": "http:/anna:s3@cret@127.0.0.1:7860"})
    assert "http://" in str(caught.value)
    assert not {"anna", "s3", "cret"} & set(re.split(r"\W", str(caught.value)))


def test_a_password_in_a_url_is_not_in_the_repr_of_settings() -> None:
    assert "geheim" not in repr(read_settings({"SDAPI_URL": "http://me:geheim@127.0.0.1:7860"}))


def test_a_model_names_its_missing_keys() -> None:
    assert Settings(image_model="jimeng", volcengine_ak="a").missing_keys == ["VOLCENGINE_SK"]


def test_the_example_file_and_the_documentation_have_every_setting_with_its_default_and_meaning() -> None:
    for path, text in documents().items():
        assert path.read_text("utf-8") == text, "run python -m tools.settings_docs"
        described = re.findall(r"^(?:# .+\n([A-Z_]+)=|\| `([A-Z_]+)` \| .+ \| .+ \|)$", text, re.MULTILINE)
        assert sorted(map("".join, described)) == sorted(SETTINGS)


@pytest.mark.parametrize("file", ["README.md", "docs/README.en.md"])
def test_the_documented_models_list_their_required_settings(file: str) -> None:
    text = ROOT.joinpath(file).read_text("utf-8")
    for model, variables in REQUIRED.items():
        if not variables:
            continue
        row = next(line for line in text.splitlines() if f"`{model}`" in line and line.startswith("| "))
        assert [variable for variable in variables if f"`{variable}`" not in row] == []


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:geheim@h/d",
        "postgresql://u:gehe@im@h/d",
        "postgresql://u:geheim@h",
        "postgresql://u:geheim@h/",
    ],
)
def test_an_invalid_database_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingError, match=r"^DATABASE_URL：应为 postgresql://[^\n]+$") as caught:
        read_settings({"DATABASE_URL": url})
    assert "gehe" not in str(caught.value)


def test_a_database_url_needs_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://u:geheim@h:5432/d?sslmode=require"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingError, match=r"^DATABASE_URL：[^\n]+ requirements-postgres.txt$"):
        read_settings({"DATABASE_URL": url})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "psycopg")
    assert read_settings({"DATABASE_URL": url}).database == url


WITHOUT_DRIVER = """
import sys
sys.modules["psycopg"] = None
import web_app
from app import cli, config
client = web_app.create_app(config.load_settings()).test_client()
assert client.post("/api/batches", json={"rows": [{"prompt": "cat"}]}).status_code == 202
sys.exit(cli.main(["check"]))
"""


BEFORE_A_WORKBOOK = """
import sys
import web_app
from app import config
client = web_app.create_app(config.load_settings()).test_client()
for page in ("/", "/batch", "/records", "/samples", "/usage", "/model"):
    assert client.get(page).status_code == 200
assert "openpyxl" not in sys.modules
assert client.get("/api/spreadsheet/template.xlsx").status_code == 200
assert "openpyxl" in sys.modules
"""


THREADS_THAT_USE_WORKBOOKS_FIRST = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from app import sheets
sys.setswitchinterval(1e-6)
names = sorted({*sheets.__all__} - {*vars(sheets)})
together = Barrier(len(names))
def use(name):
    together.wait()
    getattr(sheets, name)
with ThreadPoolExecutor(len(names)) as pool:
    list(pool.map(use, names))
"""


def succeeds(program: str, folder: Path, **environment: str) -> bool:
    """Whether this program ends well in a new process, in this folder and without other settings."""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **environment}
    return (
        subprocess.run([sys.executable, "-c", program], cwd=folder, env=variables, check=False).returncode
        == 0
    )


def test_threads_may_use_workbooks_for_the_first_time_at_once(tmp_path: Path) -> None:
    assert succeeds(THREADS_THAT_USE_WORKBOOKS_FIRST, tmp_path)


def test_no_page_takes_the_memory_of_the_library_of_workbooks(tmp_path: Path) -> None:
    assert succeeds(BEFORE_A_WORKBOOK, tmp_path)


def test_without_a_database_url_the_driver_is_neither_needed_nor_required(tmp_path: Path) -> None:
    data = {"DATABASE_PATH": "records.db", "OUTPUT_DIR": "output", "SAMPLES_DIR": "samples"}
    assert succeeds(WITHOUT_DRIVER, tmp_path, **data)
    assert "psycopg" not in (ROOT / "requirements.txt").read_text()

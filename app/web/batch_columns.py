"""The columns of the table of /batch, defined once for its template and its scripts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app import sheets
from app.domain import (
    ASPECT_RATIOS,
    CONTENT_FIELDS,
    MAX_FILENAME_LENGTH,
    MAX_PICTURES_A_ROW,
    MAX_PROMPT_LENGTH,
    MAX_ROWS_A_BATCH,
    MAX_SEED,
    MAX_STEPS,
    RESOLUTIONS,
    ModelSpec,
)
from app.web.i18n import gettext, translate
from app.web.serializers import pace_json, sizes_json, translated_spec
from app.worker.pace import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; ``kind`` is number, text, integer, choice, references, status or actions.

    note         shown at the header: why the model ignores the column, or what an empty cell means
    placeholder  shown in an empty cell; ``options`` are offered while a cell is edited
    limit        maximum length of a text; ``low`` and ``high`` are the bounds of an integer
    unused       the model ignores the field: values are kept, but neither edited nor checked
    headers      names of the column in a spreadsheet, without spaces and in lower case
    """

    name: str
    label: str
    kind: str
    note: str = ""
    placeholder: str = ""
    options: Sequence[str] = ()
    limit: int = 0
    low: int = 0
    high: int = 0
    required: bool = False
    multiline: bool = False
    unused: bool = False
    headers: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """What scripts need, without empty values; the note is in the page."""
        return {name: value for name, value in asdict(self).items() if value and name != "note"}


def batch_columns(spec: ModelSpec) -> list[Column]:
    """The columns in their order, in the language of this request."""
    spec = translated_spec(spec)
    notes, headers = {field: str(note) for field, note in spec.field_notes.items()}, sheets.header_names()
    return [
        Column(name="number", label=gettext("序号"), kind="number"),
        *_content_columns(spec, notes, headers),
        *_output_columns(headers),
        *_sampling_columns(spec, notes, headers),
        Column(name="status", label=gettext("状态"), kind="status"),
        Column(name="actions", label=gettext("操作"), kind="actions"),
    ]


def _content_columns(
    spec: ModelSpec, notes: Mapping[str, str], headers: Mapping[str, Sequence[str]]
) -> list[Column]:
    """What the picture shows and its size."""
    return [
        Column(
            name="prompt",
            label=gettext("提示词"),
            kind="text",
            limit=MAX_PROMPT_LENGTH,
            required=True,
            multiline=True,
            headers=headers["prompt"],
        ),
        Column(
            name="negative_prompt",
            label=gettext("负面提示词"),
            kind="text",
            note=notes.get("negative_prompt", ""),
            limit=MAX_PROMPT_LENGTH,
            multiline=True,
            headers=headers["negative_prompt"],
        ),
        Column(
            name="aspect_ratio",
            label=gettext("图片比例"),
            kind="choice",
            placeholder="1:1",
            options=ASPECT_RATIOS,
            headers=headers["aspect_ratio"],
        ),
        Column(
            name="resolution",
            label=gettext("分辨率"),
            kind="choice",
            placeholder="2K",
            options=RESOLUTIONS,
            headers=headers["resolution"],
        ),
        Column(
            name="sample_images",
            label=gettext("参考示例图"),
            kind="references",
            note=translate(spec.local_reference_problem) or notes.get("sample_images", ""),
            headers=headers["references"],
        ),
    ]


def _output_columns(headers: Mapping[str, Sequence[str]]) -> list[Column]:
    """How many pictures, and their file name."""
    return [
        Column(
            name="num_images",
            label=gettext("生成数量"),
            kind="integer",
            note=gettext("每行 1–10 张"),
            placeholder="1",
            options=[str(number) for number in range(1, MAX_PICTURES_A_ROW + 1)],
            low=1,
            high=MAX_PICTURES_A_ROW,
            headers=headers["num_images"],
        ),
        Column(
            name="filename",
            label=gettext("文件名"),
            kind="text",
            note=gettext("不填时用提示词"),
            limit=MAX_FILENAME_LENGTH,
            headers=headers["filename"],
        ),
    ]


def _sampling_columns(
    spec: ModelSpec, notes: Mapping[str, str], headers: Mapping[str, Sequence[str]]
) -> list[Column]:
    """Seed and steps, which not every model takes."""
    return [
        Column(
            name="seed",
            label=gettext("种子"),
            kind="integer",
            note=gettext("不填时随机；一行多张时每张加 1")
            if spec.takes_seed
            else notes.get("seed", gettext("{label} 不接受种子", label=spec.label)),
            placeholder=gettext("随机") if spec.takes_seed else "—",
            high=MAX_SEED,
            unused=not spec.takes_seed,
            headers=headers["seed"],
        ),
        Column(
            name="steps",
            label=gettext("步数"),
            kind="integer",
            note=gettext("不填时由模型决定")
            if spec.takes_steps
            else notes.get("steps", gettext("{label} 不接受步数", label=spec.label)),
            placeholder=gettext("默认") if spec.takes_steps else "—",
            low=1,
            high=MAX_STEPS,
            unused=not spec.takes_steps,
            headers=headers["steps"],
        ),
    ]


def batch_model(spec: ModelSpec, pace: Pace) -> dict[str, Any]:
    """What the scripts of the page need to know of the model, in the language of this request."""
    spec = translated_spec(spec)
    return {
        "label": spec.label,
        "prices": {size: offer["price"] for size, offer in sizes_json(spec).items()},
        "price_extra_reference": float(spec.price_extra_reference),
        "included_references": spec.included_references,
        "max_references": spec.max_references,
        "reference_note": spec.field_notes.get("sample_images", ""),
        "local_reference_problem": translate(spec.local_reference_problem),
        "max_pictures": MAX_PICTURES_A_ROW,
        "max_rows": MAX_ROWS_A_BATCH,
        "content_fields": CONTENT_FIELDS,
        **pace_json(pace),
    }

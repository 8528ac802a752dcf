"""The columns of the table of /batch, defined once for its template and its scripts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app import sheets
from app.domain import (
    ASPECT_RATIOS,
    CONTENT_FIELDS,
    MAX_PICTURES_A_ROW,
    OPTION_WORDS,
    OPTIONS,
    RESOLUTIONS,
    ROW_FIELDS,
    Models,
    ModelSpec,
)
from app.domain.tables import MAX_ROWS_A_TABLE
from app.web.i18n import gettext, in_english, translate
from app.web.page_model import model_labels
from app.web.serializers import own_sizes_json, pace_json, ratios_of, sizes_json, translated_spec
from app.worker.engines import Engine, Pace

_LIKE = "filename"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column; ``kind`` is number, text, integer, choice, references, status or actions.

    note         shown at the header: why the model ignores the column, or what an empty cell means
    placeholder  shown in an empty cell; ``options`` are offered while a cell is edited
    limit        maximum length of a text; ``low`` and ``high`` are the bounds of an integer
    hidden       the model of the page does not take the field
    words        of a choice: value in the API -> the word that cells show; ``spellings`` has others
    like         another column whose cells these look like: shown while a row has a value, or when chosen
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
    hidden: bool = False
    words: Mapping[str, str] = field(default_factory=dict)
    spellings: Mapping[str, str] = field(default_factory=dict)
    like: str = ""
    headers: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """What scripts need, without empty values; the note is in the page."""
        return {name: value for name, value in asdict(self).items() if value and name != "note"}


def batch_columns(spec: ModelSpec, models: Models) -> list[Column]:
    """The columns in their order, in the language of this request; ``spec`` is the model of the page."""
    spec = translated_spec(spec)
    notes, headers = {field: str(note) for field, note in spec.field_notes.items()}, sheets.header_names()
    return [
        Column(name="number", label=gettext("序号"), kind="number"),
        *_content_columns(spec, notes, headers),
        *_output_columns(headers),
        _model_column(spec, models, headers),
        *_option_columns(spec, models, headers),
        *_sampling_columns(spec, notes, headers),
        Column(name="status", label=gettext("状态"), kind="status"),
        Column(name="actions", label=gettext("操作"), kind="actions"),
    ]


def _of(name: str, headers: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """What the list of fields says of a column."""
    each = ROW_FIELDS[name]
    return {
        "name": name,
        "label": translate(each.label if name == "steps" else each.column),
        "limit": each.limit,
        "low": each.low,
        "high": each.high,
        "headers": headers[each.sheet_name],
    }


def _content_columns(
    spec: ModelSpec, notes: Mapping[str, str], headers: Mapping[str, Sequence[str]]
) -> list[Column]:
    """What the picture shows and its size."""
    return [
        Column(
            **_of("prompt", headers),
            kind="text",
            required=True,
            multiline=True,
        ),
        Column(
            **_of("negative_prompt", headers),
            kind="text",
            note=notes.get("negative_prompt", ""),
            multiline=True,
        ),
        Column(
            **_of("aspect_ratio", headers),
            kind="choice",
            placeholder="1:1",
            options=ASPECT_RATIOS,
        ),
        Column(
            **_of("resolution", headers),
            kind="choice",
            note=gettext("也可以写 800x600 这样的宽高：{rule}", rule=translate(spec.own_sizes.in_words))
            if spec.own_sizes
            else "",
            placeholder="2K",
            options=RESOLUTIONS,
        ),
        Column(
            **_of("sample_images", headers),
            kind="references",
            note=translate(spec.local_reference_problem) or notes.get("sample_images", ""),
        ),
    ]


def _output_columns(headers: Mapping[str, Sequence[str]]) -> list[Column]:
    """How many pictures, and their file name."""
    return [
        Column(
            **_of("num_images", headers),
            kind="integer",
            note=gettext("每行 1–10 张"),
            placeholder="1",
            options=[str(number) for number in range(1, MAX_PICTURES_A_ROW + 1)],
        ),
        Column(
            **_of("filename", headers),
            kind="text",
            note=gettext("不填时用提示词"),
        ),
    ]


def _model_column(spec: ModelSpec, models: Models, headers: Mapping[str, Sequence[str]]) -> Column:
    """The model of a row; empty for that of the page."""
    labels = model_labels(models)
    return Column(
        name="model",
        label=gettext("模型"),
        kind="choice",
        placeholder=labels[spec.model_id],
        options=list(labels.values()),
        words=labels,
        spellings={
            spelling: model_id
            for model_id, each in reversed(list(models.items()))
            for spelling in (str(each.label), in_english(each.label))
        },
        hidden=len(models) < 2,
        like=_LIKE,
        headers=headers.get("model", ("模型", "model")),
    )


def _option_columns(spec: ModelSpec, models: Models, headers: Mapping[str, Sequence[str]]) -> list[Column]:
    """The OPTIONS; those that no model takes are for what a sheet has brought along."""
    words = option_words(models)
    return [
        Column(
            name=name,
            label=translate(ROW_FIELDS[name].label),
            kind="choice" if name in words else "integer",
            placeholder=gettext("默认"),
            low=ROW_FIELDS[name].low,
            high=ROW_FIELDS[name].high,
            options=list(words.get(name, {}).values()),
            words=words.get(name, {}),
            spellings={
                other: value for value, others in ROW_FIELDS[name].words.items() for other in others.split()
            },
            hidden=name not in spec.options,
            like=_LIKE,
            headers=headers.get(name, ()),
        )
        for name in OPTIONS
    ]


def option_words(models: Models) -> dict[str, dict[str, str]]:
    """Option -> value that a model takes -> the word for it, in the language of the request.

    Without the options that are numbers; all values of an option that no model takes.
    """
    taken = {
        name: {value for spec in models.values() for value in spec.options.get(name, ())}
        for name in OPTION_WORDS
    }
    return {
        name: {value: translate(word) for value, word in of.items() if value in (taken[name] or of)}
        for name, of in OPTION_WORDS.items()
    }


def option_texts(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The label and the value of each option of a record, in the language of the request."""
    words = OPTION_WORDS
    return [
        (translate(ROW_FIELDS[name].label), translate(words.get(name, {}).get(str(value), str(value))))
        for name, value in options.items()
        if name in ROW_FIELDS
    ]


def _sampling_columns(
    spec: ModelSpec, notes: Mapping[str, str], headers: Mapping[str, Sequence[str]]
) -> list[Column]:
    """Seed and steps, which not every model takes."""
    return [
        Column(
            **_of("seed", headers),
            kind="integer",
            note=gettext("不填时随机；一行多张时每张加 1")
            if spec.takes_seed
            else notes.get("seed", gettext("{label} 不接受种子", label=spec.label)),
            placeholder=gettext("随机"),
            hidden=not spec.takes_seed,
        ),
        Column(
            **_of("steps", headers),
            kind="integer",
            note=gettext("不填时由模型决定")
            if spec.takes_steps
            else notes.get("steps", gettext("{label} 不接受步数", label=spec.label)),
            placeholder=gettext("默认"),
            hidden=not spec.takes_steps,
        ),
    ]


def batch_model(spec: ModelSpec, pace: Pace) -> dict[str, Any]:
    """What the scripts need to know of a model, in the language of this request."""
    spec = translated_spec(spec)
    takes = {"seed": spec.takes_seed, "steps": spec.takes_steps}
    return {
        "id": spec.model_id,
        "label": spec.label,
        "prices": _prices(spec),
        "own_sizes": own_sizes_json(spec),
        "ratios": ratios_of(spec),
        "price_extra_reference": float(spec.price_extra_reference),
        "included_references": spec.included_references,
        "max_references": spec.max_references,
        "local_reference_problem": translate(spec.local_reference_problem),
        "notes": {name: spec.field_notes[name] for name in takes if name in spec.field_notes},
        "takes": [*(name for name, is_taken in takes.items() if is_taken), *spec.options],
        "choices": {name: list(of) for name, of in spec.options.items() if not isinstance(of, range)},
        "max_pictures": MAX_PICTURES_A_ROW,
        "max_rows": MAX_ROWS_A_TABLE,
        "content_fields": CONTENT_FIELDS,
        **pace_json(pace),
    }


def _prices(spec: ModelSpec) -> dict[str, str | None]:
    """``"16:9|2K"`` -> price of one image; ``"16:9|2K|high"``, if it depends on the quality."""
    offers = sizes_json(spec).items()
    of_qualities = {
        f"{size}|{quality}": price
        for size, offer in offers
        for quality, price in offer.get("qualities", {}).items()
    }
    return {size: offer["price"] for size, offer in offers} | of_qualities


def batch_models(spec: ModelSpec, engines: Iterable[Engine], models: Models) -> dict[str, Any]:
    """``batch_model`` of the page's model, with the others as ``others`` and the labels that cells show."""
    labels = model_labels(models)
    shown = {
        engine.model_id: batch_model(models[engine.model_id], engine.pace)
        | {"label": labels[engine.model_id]}
        for engine in engines
        if engine.model_id in labels
    }
    return shown.pop(spec.model_id) | {"others": list(shown.values())}

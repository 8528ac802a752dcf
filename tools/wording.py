"""Every Chinese text of the product: what goes through the catalogue, and what does not.

``python -m tools.wording`` updates the English catalogue: it adds new texts untranslated and removes unused
ones.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment

from app.errors import PLACEHOLDER
from app.web.i18n import CATALOGUE

ROOT = Path(__file__).parents[1]
HAN = re.compile("[\u4e00-\u9fff]")
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
_PACKAGES = ("app",)
_HEADER = "# English. How placeholders are written: app.errors.Message.render.\n"

# Chinese that is no word to the person before a browser: file -> literals, names of constants and
# functions that hold them, or None for the whole file.
STAYS_CHINESE: dict[str, tuple[str, ...] | None] = {
    "app/system/listener.py": ("_taken",),  # said at the terminal, when nothing can be served
    "app/system/folders.py": ("ensure_writable", "_problem"),  # the same, about folders
    "app/cli.py": None,  # a command of the terminal
    "app/cli_words.py": None,
    "app/migrations/backup.py": ("rebuild",),  # what that command does
    "app/migrations/copy_to.py": None,
    "web_app.py": None,  # starts at the terminal
    "app/tables/recipe_examples.py": None,  # words for the models
    "app/migrations/earlier_tables.py": None,  # names of recipes
    "app/migrations/baseline.py": ("FIRST_ROWS",),  # the name of the first person
    "app/domain/recipes.py": ("RECIPE_COLUMNS", "CATEGORY_COLUMNS"),  # columns
    "app/web/views/dialogs.py": ("_OWN_REFERENCES",),  # a column
    "app/rounds/rules.py": ("_NAMING",),  # columns
    "app/delivery/naming.py": ("_UNNAMED", "NAME", "NUMBER", "ROW"),  # a file name; columns
    "app/delivery/profiles.py": ("{文件名}",),
    "app/images/store.py": ("_assigned_stem",),  # a file name
    "app/web/i18n.py": ("day_in_words", "month_in_words"),  # both languages at once
    "templates/partials/language.html": ("中", "切换到中文"),  # for those who look for their own language
    "app/sheets/csv_reader.py": ("_is_hanzi",),  # the last of them
    "app/sheets/header_synonyms.py": None,  # what people call their columns
    # … and what they write in them
    "app/domain/row_fields.py": ("HEADERS", "GUESSED_HEADERS", "BACKGROUNDS", "QUALITIES", "UNSET_WORDS"),
    "app/sheets/headers.py": ("_STATUS_NAMES", "_ROLE_LABELS"),  # as workbooks have them
    "app/sheets/option_columns.py": ("_YES_NO",),  # what people write into cells
    "app/sheets/non_data_rows.py": ("_UNIT", "_WORD", "_AMOUNTS"),  # what people write below a table
    "app/sheets/cells.py": ("下午",),  # what Excel writes
    "app/images/demo_picture.py": ("_draw_text", "_draw_label"),  # drawn into the picture
    "static/js/table/references.js": ("、",),  # between names in a cell
    "static/js/table/columns.js": ("；",),  # between names in a copied cell
    "app/providers/kit.py": ("with_negative_prompt",),  # said to the model
}


@dataclass(frozen=True, slots=True)
class Sentence:
    """A text of the product. ``uses_gettext``: by ``_`` or ``gettext``; others are translated when shown.

    ``is_formatted``: an f-string, which has no translation.
    """

    text: str
    file: str
    line: int
    uses_gettext: bool
    is_formatted: bool = False


def product_files() -> list[Path]:
    """The Python files of the product."""
    files = [*ROOT.glob("*.py")]
    for package in _PACKAGES:
        files += (ROOT / package).glob("**/*.py")
    return sorted(files)


def all_sentences() -> list[Sentence]:
    """Everything, everywhere."""
    found: list[Sentence] = []
    for path in product_files():
        found += in_python(path.read_text("utf-8"), _name(path))
    for path in sorted((ROOT / "templates").glob("**/*.html")):
        found += in_template(path.read_text("utf-8"), _name(path))
    for path in sorted((ROOT / "static/js").glob("**/*.js")):
        found += in_script(path.read_text("utf-8"), _name(path))
    return [one for one in found if one.text not in (STAYS_CHINESE.get(one.file) or ())]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def in_python(text: str, file: str) -> list[Sentence]:
    """Literals and Chinese f-strings; no docstrings, logging, patterns."""
    return list(_in_node(ast.parse(text), file)) if STAYS_CHINESE.get(file, ()) is not None else []


def _in_node(node: ast.AST, file: str, *, uses_gettext: bool = False) -> Iterator[Sentence]:
    if isinstance(node, ast.JoinedStr):
        if any(isinstance(part, ast.Constant) and CHINESE.search(str(part.value)) for part in node.values):
            yield Sentence(ast.unparse(node), file, node.lineno, uses_gettext=False, is_formatted=True)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _in_node(part.value, file)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and _is_sentence(node.value):
            yield Sentence(node.value, file, node.lineno, uses_gettext)
    elif _name_of(node) in (STAYS_CHINESE.get(file) or ()) or _is_not_translatable(node):
        return
    else:
        says = isinstance(node, ast.Call) and ast.unparse(node.func) == "gettext"
        for child in ast.iter_child_nodes(node):
            if not _is_docstring(child):
                chosen = uses_gettext and isinstance(node, ast.IfExp)
                yield from _in_node(child, file, uses_gettext=says or chosen)


def _is_sentence(text: str) -> bool:
    """Whether it has Chinese letters, or placeholders between Chinese punctuation."""
    return bool(HAN.search(text) or (CHINESE.search(text) and PLACEHOLDER.search(text)))


def _name_of(node: ast.AST) -> str:
    """What a constant or function is called; empty for anything else."""
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.AnnAssign | ast.Assign):
        return ast.unparse(node.target if isinstance(node, ast.AnnAssign) else node.targets[0])
    return ""


def _is_not_translatable(node: ast.AST) -> bool:
    """Whether it is for the terminal's log, or a pattern."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith(("_log.", "re.", "journal."))


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def in_template(text: str, file: str) -> list[Sentence]:
    """Text between tags, and literals of expressions."""
    found, argument = [], ""
    for line, kind, value in Environment(autoescape=True).lex(text):
        if kind == "data":
            found += [
                Sentence(part.strip(), file, line, uses_gettext=False)
                for part in re.split(r'[<>"\n]', value)
                if CHINESE.search(part)
            ]
        elif kind == "string" and CHINESE.search(value):
            found.append(Sentence(_unquoted(value), file, line, uses_gettext=argument.startswith("_(")))
        if kind in ("name", "operator"):
            argument = _first_argument(argument, value)
    return found


def _first_argument(so_far: str, token: str) -> str:
    """What stands since ``_(``, as long as it is the first argument: a sentence, or a choice of sentences."""
    if token == "_":
        return token
    return so_far + token if token == "(" or (so_far.startswith("_(") and token not in ",)") else ""


def _unquoted(literal: str) -> str:
    return str(ast.literal_eval(literal))


_SCRIPT = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      |(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)
      |(?P<pattern>(?<=[(,=:\[!&|?{};])\s*/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/[a-z]*)""",
    re.VERBOSE | re.DOTALL,
)


def in_script(text: str, file: str) -> list[Sentence]:
    """Strings of a module, without comments and patterns; a template string is always left behind."""
    found = []
    for match in _SCRIPT.finditer(text):
        literal = match["string"]
        if literal is None or not CHINESE.search(literal):
            continue
        uses_gettext = bool(re.search(r"(?<![\w.])_\([^,()`]*$", text[: match.start()]))
        line = text.count("\n", 0, match.start()) + 1
        inside = literal[1:-1].replace('\\"', '"')
        found.append(Sentence(inside, file, line, uses_gettext=uses_gettext and literal[0] != "`"))
    return found


def placeholders_in(text: str) -> set[str]:
    """The names of its placeholders."""
    return {name for name, *_ in PLACEHOLDER.findall(text)}


def read_catalogue() -> Catalog:
    with CATALOGUE.open("rb") as file:
        return read_po(file, locale="en")


def update() -> None:
    """Rewrite the catalogue from the texts in use."""
    translations = {str(entry.id): str(entry.string) for entry in read_catalogue() if entry.id}
    wanted = {
        sentence.text
        for sentence in all_sentences()
        if sentence.uses_gettext or (sentence.file.endswith(".py") and not sentence.is_formatted)
    }
    new = Catalog(locale="en", header_comment=_HEADER, fuzzy=False)
    for text in sorted(wanted):
        new.add(text, translations.get(text, ""))
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    with CATALOGUE.open("wb") as file:
        write_po(file, new, width=0, omit_header=True)


if __name__ == "__main__":
    update()

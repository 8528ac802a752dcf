"""The domain types: requests, records, batches, and what an image model accepts. No I/O.

Re-exports every module of the package but ``ledger``; other packages import from here.
"""

from app.domain.batches import (
    MAX_BATCH_NAME_LENGTH,
    MAX_PICTURES_A_BATCH,
    MAX_PICTURES_WATCHED,
    MAX_ROW_NUMBER,
    MAX_ROWS_A_BATCH,
    Batch,
    BatchModel,
    BatchStatus,
    LogLine,
    Outcomes,
    PauseCause,
    StopRule,
    StoredWorkbook,
    WorkbookFile,
    choose_sample,
    verdict,
)
from app.domain.edits import Edit
from app.domain.ledger import BUDGET_LABELS, MAX_BUDGET, Budget, BudgetScope
from app.domain.models import EditRules, Models, ModelSetup, ModelSpec, ModelStatistics, Retirement
from app.domain.records import (
    MAX_ID,
    PLACES,
    Changes,
    GeneratedImage,
    Pick,
    Record,
    SavedImage,
    Status,
    changed_request,
    differing,
    earlier_values,
    edge_problem,
    file_key,
    mark_word,
    marks_of,
    read_changes,
)
from app.domain.references import (
    FILES_URL,
    FULL_DIGEST_LENGTH,
    PINNED,
    LibraryImage,
    LibraryPage,
    Reference,
    ReferenceInfo,
    ReferenceLimits,
    SampleImage,
    ValidatedUpload,
)
from app.domain.requests import (
    MAX_OWN_COLUMNS,
    MAX_OWN_NAME_LENGTH,
    MAX_OWN_TEXT_LENGTH,
    ImageRequest,
    RowExtras,
    column_name,
    fingerprint,
    is_empty_row,
    own_column_names,
)
from app.domain.row_fields import (
    CHANGEABLE,
    CONTENT_FIELDS,
    MAX_FILENAME_LENGTH,
    MAX_MODEL_LENGTH,
    MAX_PICTURES_A_ROW,
    MAX_PROMPT_LENGTH,
    MAX_REFERENCE_LENGTH,
    MAX_REFERENCES,
    MAX_SEED,
    MAX_STEPS,
    OPTION_WORDS,
    OPTIONS,
    ROW_FIELDS,
    TEXT_TEMPLATES,
    RowField,
)
from app.domain.sizes import (
    ASPECT_RATIOS,
    COMMON_RATIOS,
    RESOLUTION_AREAS,
    RESOLUTIONS,
    USUAL_RATIOS,
    Size,
    SizeRule,
    TokenPrices,
    exact_size,
    nearest_choice,
    own_size,
)
from app.domain.tables import (
    KNOWN_PICTURES_A_NUMBER,
    KnownPicture,
    SkippedRow,
    Standing,
)
from app.domain.validation import (
    KEY,
    READERS,
    has_too_many_marks,
    normal_text,
    normalised,
    read_aspect_ratio,
    read_resolution,
    read_sample_images,
    read_whole_number,
    too_many_marks,
    trimmed_text,
    unix_line_ends,
    visible_text,
    whole_characters,
)
from app.domain.variables import BUILT_IN_NAMES, FilledRow, fill_rows, variable_key, variable_names

"""每张图一行: from the picker, and by dropping pictures or a folder of them on the table."""

from pathlib import Path

from playwright.sync_api import FilePayload, Page, expect

from tools.noise_images import noise_image
from tools.pages.batch_page import BatchPage, upload
from tools.pages.samples_page import drop, image_file
from tools.server_process import ServerProcess


def drag(page: Page, *paths: Path, until: str = "drop") -> None:
    """Drag files or folders of this machine over the table, and drop them."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 600, "y": 400, "data": data})
        if kind == until:
            return


def write_first_row(batch: BatchPage) -> None:
    batch.fill(("换成雪山背景", "", "16:9", "1K"))
    batch.expect_text(1, "aspect_ratio", "16:9")


def expect_row(batch: BatchPage, row: int, prompt: str, filename: str) -> None:
    batch.expect_text(row, "prompt", prompt)
    batch.expect_text(row, "filename", filename)
    batch.expect_text(row, "sample_images", "选择 (1)")


def test_chosen_pictures_become_a_row_each(draft: BatchPage, shared_server: ServerProcess) -> None:
    upload(shared_server, *(f"茶壶{number}.png" for number in range(1, 7)))
    write_first_row(draft)
    dialog = draft.open_references(1)
    split = dialog.locator("[data-picker-split]")
    for number in range(1, 7):
        expect(split).to_be_visible(visible=number > 2)
        dialog.get_by_role("option", name=f"茶壶{number}").click()
    expect(dialog.locator("[data-picker-yes]")).to_be_disabled()
    split.click()
    expect(dialog).to_be_hidden()
    draft.expect_rows(6)
    for number in range(1, 7):
        expect_row(draft, number, "换成雪山背景", f"茶壶{number}")
    draft.click_command("undo")
    draft.expect_rows(1)
    draft.expect_text(1, "sample_images", "选择 (0)")


def test_dropped_pictures_become_a_row_each_in_the_order_of_their_names_and_a_broken_one_is_told(
    draft: BatchPage,
) -> None:
    write_first_row(draft)
    drop(draft.page.locator("[data-table]"), [image_file(f"杯{number}.png") for number in (10, 2, 1)])
    draft.expect_rows(3)
    for row, name in enumerate(("杯1", "杯2", "杯10"), start=1):
        expect_row(draft, row, "换成雪山背景", name)
    expect(draft.page.locator("[data-batch] [data-uploads]")).to_be_hidden()
    draft.page.get_by_role("button", name="撤销", exact=True).last.click()
    draft.expect_rows(1)

    broken: FilePayload = {"name": "坏.png", "mimeType": "image/png", "buffer": b"no picture"}
    drop(draft.page.locator("[data-batch]"), [image_file("好.png"), broken])
    expect_row(draft, 1, "换成雪山背景", "好")
    draft.expect_rows(1)
    uploads = draft.page.locator("[data-batch] [data-uploads]")
    expect(uploads.locator("[data-upload-list] .upload")).to_contain_text("坏.png")


def test_a_dropped_folder_becomes_a_row_for_each_picture_in_it(draft: BatchPage, tmp_path: Path) -> None:
    folder = tmp_path / "新品"
    (folder / "侧面").mkdir(parents=True)
    for name in ("壶.png", "侧面/盘.png", "侧面/碗.jpg"):
        (folder / name).write_bytes(noise_image("jpeg" if name.endswith("jpg") else "png", size=(40, 30)))
    (folder / "说明.txt").write_text("不是图片")
    drag(draft.page, folder / "壶.png", until="dragOver")
    expect(draft.page.locator("[data-drop]")).to_contain_text("每张图一行")
    drag(draft.page, folder)
    draft.expect_rows(3)
    names = [draft.cell(row, "filename").locator("[data-value]").inner_text() for row in (1, 2, 3)]
    assert sorted(names) == sorted(["壶", "盘", "碗"])


def test_a_dropped_workbook_is_still_imported(draft: BatchPage, tmp_path: Path) -> None:
    file = tmp_path / "表.csv"
    file.write_text("提示词\n猫\n", "utf-8")
    drag(draft.page, file, until="dragOver")
    expect(draft.page.locator("[data-drop]")).to_contain_text("导入这份表格")
    drag(draft.page, file)
    expect(draft.report()).to_contain_text("读到 1 行")

"""Who may call what: one line for each route, and the guard that reads it."""

from flask import Flask, redirect, request, url_for
from werkzeug.wrappers import Response

from app.domain.people import PersonRole
from app.errors import Forbidden
from app.web.person import bearer, current_person
from app.web.security import is_open

# What needs no login is in OPEN_ENDPOINTS of app/web/security.py; below /r/ the rounds guard themselves.
_BY_ROLE = {
    PersonRole.VIEWER: """
        create.index create.results batch.index batch.dialogs batch.pictures
        records.index records.results records.details records.permalink records.batch_choices records.retouch
        samples.index samples.images samples.file samples.thumbnail media.output media.thumbnail
        usage.index usage.summary status.index dialogs.search_list dialogs.shortcuts
        tables.tables tables.menu delivery.dialog delivery.contact_sheet dialogs.recipes
        api.openapi.get_document api.models.list_models api.prompts.list_prompts
        api.batches.list_batches api.batches.get_batch api.batches.check
        api.results.batch_results api.results.table_results api.results.table_archive
        api.edit.answer_of api.edit.edit_offers
        api.records.list_records api.records.get_record api.records.list_neighbours
        api.records.list_record_ids api.records.count_facets api.records.find_record_by_file
        api.records.archive_records api.records.export_records
        api.records.pick_records
        api.samples.list_images api.samples.archive_images api.samples.count_uses
        api.spreadsheets.template api.spreadsheets.export_rows api.tables.list_tables api.tables.get
        api.tables.history
        api.usage.get_usage api.usage.get_budgets api.usage.export_csv api.usage.export_workbook
        api.usage.export_statement
        deliveries.list_all_profiles deliveries.get_profile deliveries.preview deliveries.list_of_table
        deliveries.deliver deliveries.make deliveries.show deliveries.download
        api.recipes.list_recipes api.recipes.get_recipe api.recipes.export_recipe
        rounds.list_of_table rounds.dialog
        join.people people.get_me people.change_me people.end_session
        people.list_tokens people.add_token people.delete_token
    """,
    PersonRole.MEMBER: """
        create.generate batch.restore records.change
        api.batches.batch_generate api.batches.create_batch
        api.batches.pause_batch api.batches.resume_batch api.batches.cancel_batch api.batches.cancel_record
        api.release.release_batch api.repair.retry_batch api.repair.uncancel_batch
        api.edit.edit_record api.edit.upscale_record
        api.records.delete_record api.records.delete_records api.records.restore_records
        api.samples.add_images api.samples.rename_image api.samples.delete_image api.samples.restore_image
        api.spreadsheets.import_workbook api.spreadsheets.import_version
        api.tables.create api.tables.copy api.tables.put api.tables.patch api.tables.run
        api.tables.undo_change api.tables.delete api.tables.restore
        api.usage.refetch_records api.usage.resubmit_records
        api.usage.write_off api.usage.undo_write_off
        deliveries.put_profile deliveries.remove_profile deliveries.copy_to_folder deliveries.forget
        api.recipes.apply_to_table api.recipes.import_recipe api.recipes.put_recipe api.recipes.remove_recipe
        rounds.create rounds.follow rounds.renew rounds.close rounds.reopen rounds.done rounds.remove
    """,
    PersonRole.OWNER: """
        model.index model.submit model.restore model.restored model.download_backup
        api.settings.get_settings api.settings.put_settings api.settings.post_test
        api.settings.send_test api.usage.put_budgets
        people.list_people people.add_person people.change_person people.invite
    """,
}
LEAST_ROLE = {endpoint: role for role, endpoints in _BY_ROLE.items() for endpoint in endpoints.split()}
# What gives access or money to others or takes it away, or gives more than it has, is not done with a token.
IN_BROWSER = [
    "people.change_me",
    "people.end_session",
    "people.add_token",
    "people.delete_token",
    "people.add_person",
    "people.change_person",
    "people.invite",
    "api.usage.put_budgets",
    "api.settings.put_settings",
    "model.submit",
    "model.restore",
    "model.restored",
    "model.download_backup",
]
_REFUSALS = {
    PersonRole.MEMBER: "您的身份是「只看」，可以看、选、下载；要下单和修改，请找主人改成成员",
    PersonRole.OWNER: "只有主人可以做这件事，请找主人",
}


def init_access(app: Flask) -> None:
    """Install the guard; to be called after ``init_security``."""
    app.before_request(_check_role)
    app.jinja_env.globals.update(may=may, person=current_person, looking=looking)


def may(role: str) -> bool:
    """Whether who asks for this page may do what this role may."""
    return current_person().role.covers(PersonRole(role))


def looking() -> list[str]:
    """The style sheet that hides what changes something from those who only look."""
    return [] if may(PersonRole.MEMBER) else ["looking"]


def _check_role() -> Response | None:
    """Let nobody call what their role does not cover, nor anybody what has no line."""
    endpoint = request.endpoint
    if endpoint is None or is_open():
        return None
    least = LEAST_ROLE.get(endpoint)
    if least is None:
        raise Forbidden("这个地址没有写明谁可以用，已拒绝")
    if not current_person().role.covers(least):
        raise Forbidden(_REFUSALS[least])
    if endpoint in IN_BROWSER and bearer():
        raise Forbidden("令牌不能做这件事，请在浏览器里登录后再做")
    if endpoint == "create.index" and looking():  # a form that they cannot send
        return redirect(url_for("records.index"))
    return None

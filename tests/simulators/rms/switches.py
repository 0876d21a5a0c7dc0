# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be different about the simulated RMS. Numbers in the texts (1.3, 5.1) are sections of the project's Teltonika fact sheet."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..kit.switches import switch

FATES: dict[str, str] = {
    "ok": "takes the password and says completed, unless its firmware's rule refuses it",
    "offline": "is offline: an error event, or delivery on reconnect (switch offline_handling)",
    "goes_offline_midway": "listed online, keeps its old password, its last event is never terminal",
    "goes_silent_after_change": "takes the password, its last event is never terminal",
    "never_reported": "takes the password, its key never appears in the channel",
    "rejected_by_policy": "has a stricter rule of its own and refuses every password: error event, old password kept",
    "error": "error event, old password kept",
    "error_after_change": "error event, although the router took the password: the vendor's word can be wrong",
    "warning": "warning event, old password kept",
    "warning_after_change": "warning event, the router took the password",
    "completed_without_change": "completed event, although the router kept the old password",
    "truncates": "takes only the first truncate_to characters and says completed",
    "same_password": "already holds the password it is asked to take, as after a change that was never reported",
    "not_authenticated": "is_authenticated is 0: error event, old password kept",
    "no_credit": "has no active service: listed not_activated, error event, old password kept",
    "not_listed": "RMS does not know it: not in the list, its id refused",
    "slow": "like ok, but slow_seconds later",
}


@dataclasses.dataclass
class Switches:
    """Defaults are what the fact sheet holds to be most likely."""

    # Routers
    fates: dict[str, str] = switch({}, "test", "fate per serial, or for the others under '*'; changes add up")  # noqa: RUF009
    device_seconds: float = switch(0.0, "test", "time a router takes from request to outcome")
    device_jitter_seconds: float = switch(0.0, "test", "random time added to device_seconds, per router")
    slow_seconds: float = switch(5.0, "test", "time added for the fate slow")
    truncate_to: int = switch(12, "test", "characters kept by the fate truncates")
    offline_handling: str = switch(
        "error", "A", "an offline router gets an error event, or the change waits for its reconnect (1.4)", ("error", "queued")
    )
    same_password: str = switch(
        "error", "A", "what the channel says when a router holds that password already (2.3)", ("error", "completed")
    )
    same_password_text: str = switch(
        "Password is the same. Use a different new password.", "A", "words of that error event; these are the router's own (2.3)"
    )
    error_text: str = switch(
        "The device answered with an error.", "A", "words of the error event of the fates error and error_after_change; none are published"
    )
    odd_symbols_refused: bool = switch(False, "A", "firmware 07.11 to 07.13 refuses symbols other than ! # % + - . : = @ _ (2.4)")
    device_policy_enforced: bool = switch(True, "A", "routers check what RMS sends by the rule of their firmware (1.6, 2.4)")

    # Authentication and limits
    scopes: list[str] = switch(  # noqa: RUF009
        ["devices:read", "device_passwords:read", "device_passwords:write"], "A", "scopes the token has (1.1)"
    )
    scope_devices: str = switch("devices:read", "O", "scope that lists need")
    scope_password_read: str = switch(
        "device_passwords:read", "A", "scope that password tasks and downloads need; its name is not published (1.1)"
    )
    scope_password_write: str = switch("device_passwords:write", "A", "scope that password changes need; its name is not published (1.1)")
    missing_scope: str = switch("403", "O", "answer when a scope is missing; both were seen (1.1)", ("403", "404"))
    two_factor: bool = switch(False, "A", "password end points ask for a two-factor confirmation no token can give: 403 (1.1)")
    rate_limit_after: int = switch(0, "O", "429 after so many requests; 0 for never (1.5)")
    rate_limit_recovers_seconds: float = switch(0.0, "A", "seconds after which the quota starts anew; 0 for never")
    retry_after: str = switch("", "A", "value of Retry-After on 429; empty for no such header (1.5)")
    polls_count: bool = switch(True, "A", "status polls count in the quota (1.5)")
    latency_ms: float = switch(0.0, "test", "time before each answer")

    # Lists
    list_limit_max: int = switch(0, "A", "largest page a list gives, whatever limit says; 0 for no maximum (1.5)")
    list_total: str = switch("right", "A", "meta.total of lists is right, absent or too large", ("right", "absent", "too_large"))
    repeat_pages: bool = switch(False, "A", "lists ignore offset and give their first page again and again (1.5)")
    numbers_as_strings: bool = switch(False, "O", "numbers in answers are strings (1.4)")
    offline_status: str = switch("mixed", "D", "status of an offline router in lists: 0 or null (1.5)", ("mixed", "zero", "null"))
    stale_serials: list[str] = switch([], "A", "serials that a second entry without a router bears, at the end of lists")  # noqa: RUF009
    search: str = switch("substring", "A", "how q matches name, serial, mac and imei", ("substring", "prefix"))

    # Password calls
    rms_rule: str = switch(
        "basic",
        "A",
        "what RMS itself checks: length only, plus upper case and digit, or plus a special symbol from 07.13 on as its page says (1.6)",
        ("length", "basic", "page"),
    )
    bad_item: str = switch(
        "reject_all",
        "A",
        "one bad item in a set or generate call: 422 for all, or an error event for that one (5.1)",
        ("reject_all", "error_event"),
    )
    error_source: str = switch("field", "A", "source in 422 answers: the field, or its place in the request", ("field", "indexed"))
    max_devices_per_call: int = switch(0, "A", "422 for more devices in one call; 0 for no maximum, none is published (1.3)")
    running_task: str = switch(
        "conflict_upload",
        "A",
        "409 while a router is busy: for uploads, for every password call, or never (5.1)",
        ("conflict_upload", "conflict_all", "allowed"),
    )
    task_timeout_seconds: float = switch(600.0, "A", "a router without an outcome counts as busy no longer than this")
    generated_classes: str = switch(
        "guaranteed", "A", "a generated password holds every class, or classes are left to chance", ("guaranteed", "random")
    )
    echo_passwords: bool = switch(False, "A", "error messages repeat the password they are about (1.3)")

    # Upload
    upload_header: str = switch("optional", "A", "header row of the uploaded file (1.3)", ("optional", "required", "refused"))
    upload_separator: str = switch("comma", "A", "separator of the uploaded file (1.3)", ("comma", "semicolon", "both"))
    upload_bad_row: str = switch("partial", "A", "a bad row: 207 for the others, or 422 for all (5.1)", ("partial", "reject_all"))
    upload_all_bad: str = switch("422", "A", "answer when no row is good", ("422", "207"))
    upload_error_source: str = switch("serial", "A", "source of errors in 207 answers: the sample fits both (1.2)", ("serial", "id"))

    # Status channel
    channel_not_found_polls: int = switch(1, "O", "polls of a new channel answered CHANNEL_NOT_FOUND (1.4)")
    channel_not_found_status: int = switch(404, "A", "HTTP status of CHANNEL_NOT_FOUND; only 'not 200' is known (1.2)")
    channel_expires_seconds: float = switch(600.0, "A", "age at which a channel is not found any more (1.4)")
    foreign_channel: str = switch("403", "A", "answer for a channel of another account (5.1)", ("403", "404"))
    pending_polls: int = switch(0, "test", "good polls that show a router still running, whatever the time")
    channel_missing_polls: int = switch(0, "O", "good polls in which every second router is not there yet (1.4)")
    channel_out_of_order: bool = switch(True, "O", "routers appear, and with pending_polls end, in random order")
    channel_shape: str = switch(
        "list",
        "O",
        "events of a router: a growing list, its last event only, or a socket message round that (1.4)",
        ("list", "object", "wrapped"),
    )
    event_code_key: str = switch(
        "errorCode", "O", "name of the error number: clients say errorCode, the description errorcode (1.4)", ("errorCode", "errorcode")
    )
    running_word: str = switch("pending", "A", "status word of an event that is not terminal (1.4)")

    # Batches of generated passwords
    task_list_order: str = switch("newest_first", "A", "order of the list of batches", ("newest_first", "oldest_first"))
    task_delay_seconds: float = switch(0.0, "A", "time until a new batch is listed")
    interloper_batches: int = switch(
        0, "test", "batches somebody else starts at the same moment as each generate call, for routers of their own (1.3)"
    )
    task_success_word: str = switch(
        "completed", "A", "status of a router in its batch when it took the password; only 'failed' is documented (1.3)"
    )
    task_failed_devices: str = switch(
        "present", "A", "routers that failed are among the devices of their batch, or are left out", ("present", "absent")
    )
    task_running_word: str = switch("pending", "A", "status of a router in its batch while it runs")
    download_early: str = switch(
        "allowed", "A", "a download while routers still run: gives the list as it is, and uses it up, or 400", ("allowed", "400")
    )
    second_download: str = switch("400", "A", "answer to a second download; it never gives the list again (1.3)", ("400", "404"))
    after_download: str = switch(
        "deleted_at", "A", "a downloaded batch stays listed with deleted_at, or disappears (5.1)", ("deleted_at", "disappears")
    )
    csv_columns: str = switch(
        "serial,password",
        "A",
        "columns of the list, out of serial, password, name, mac, id, model, status, date, reference (looks like a password), such as "
        "Name,Serial,MAC,Password (1.3)",
    )
    csv_header: bool = switch(True, "A", "the list has a header row (1.3)")
    csv_bom: bool = switch(False, "A", "the list begins with a byte order mark")
    csv_separator: str = switch("comma", "A", "separator of the list", ("comma", "semicolon", "tab"))
    csv_quotes: str = switch("minimal", "A", "fields of the list are quoted where needed, or all", ("minimal", "all"))
    csv_newline: str = switch("crlf", "A", "line ends of the list", ("crlf", "lf"))
    csv_failed_rows: str = switch(
        "present", "A", "routers that failed are in the list with a password not in force, or are not (1.4)", ("present", "absent")
    )
    csv_running_rows: str = switch("present", "A", "routers still running are in the list, or are not", ("present", "absent"))

    # Means of testing
    faults: list[dict[str, Any]] = switch([], "test", "faults on the wire, see --describe; a change replaces all")  # noqa: RUF009
    log_bodies: bool = switch(False, "test", "the log keeps bodies of requests and answers, passwords included")


SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t"}

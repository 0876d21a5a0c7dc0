# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One step of handing passwords over to other stores, as far as the ledger has to know of it. No password goes through here."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ansible import constants

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import describing, handovers
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.errors import LedgerError
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.store import Ledger
from ansible_collections.keyturn.devices.plugins.module_utils._module import ModuleFailure
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from ansible_collections.keyturn.devices.plugins.plugin_utils._controller import Context, ControllerAction

# Shipped stores whose tasks use a module of another collection.
_NEEDS: Mapping[str, str] = {"hashi_vault": "community.hashi_vault.vault_kv2_write", "sops": "community.sops.sops_encrypt"}


class ActionModule(ControllerAction):
    """See the documentation of the module of the same name."""

    _supports_diff = False
    WORDS: ClassVar[dict[str, frozenset[str]]] = describing.WORDS
    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "state": {"type": "str", "choices": ["owed", "ready", "done", "failed", "reported"], "required": True},
        "stores": {"type": "list", "elements": "str", "default": []},
        "names": {"type": "list", "elements": "str"},
        "store": {"type": "str"},
        "password_id": {"type": "str", "no_log": False},
        "task": {"type": "str", "default": ""},
        "run_id": {"type": "str"},
    }
    RULES: ClassVar[dict[str, Any]] = {
        "required_if": [
            ("state", "ready", ("store",)),
            ("state", "done", ("store", "password_id", "run_id")),
            ("state", "failed", ("store", "run_id")),
        ]
    }

    def work(self, options: dict[str, Any], context: Context) -> dict[str, Any]:
        name = str(context.variables["inventory_hostname"])
        if options["state"] in ("owed", "reported"):
            return self._owed(name, options, context)
        if options["state"] == "ready":
            return self._ready(options["store"])
        with self.open_ledger(options, context) as ledger:
            return _recorded(ledger, name, options)

    def _ready(self, store: str) -> dict[str, Any]:
        """A module that is not installed would end the whole run where its task is read, and what Ansible keeps of a module holds what it
        was given.
        """
        if constants.DEFAULT_KEEP_REMOTE_FILES:
            raise ModuleFailure(
                "ANSIBLE_KEEP_REMOTE_FILES is set, so that the password would stay behind in a file: unset it.", reason="pipelining"
            )
        module = _NEEDS.get(store)
        if module and not self._shared_loader_obj.module_loader.find_plugin(module):
            collection = module.rpartition(".")[0]
            raise ModuleFailure(f"The store {store} needs the collection {collection}: install it.", reason="library")
        return {"changed": False}

    def _owed(self, name: str, options: Mapping[str, Any], context: Context) -> dict[str, Any]:
        stores = _distinct(options["stores"])
        names = options["names"] if options["names"] is not None else [name]
        owed: dict[str, dict[str, str]] = {}
        if stores:
            with self.open_ledger(options, context, dry_run=True) as ledger:
                owed = handovers.owed(ledger, names, stores)
        if options["state"] == "reported":
            return _reported(name, owed.get(name, {}), context)
        mine = [{"store": store, "password_id": password} for store, password in owed.get(name, {}).items()]
        context.unmasked.update(owed=mine, names=list(owed))
        return {"changed": False, "run_id": options["run_id"] or uuid.uuid4().hex}


def _distinct(stores: Sequence[str]) -> list[str]:
    if any(not store or not store.isprintable() for store in stores):
        raise LedgerError("input", "A store is named by a word or by the path of a file of tasks.")
    return list(dict.fromkeys(stores))


def _recorded(ledger: Ledger, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    run = Run(options["run_id"])
    if options["state"] == "done":
        result = handovers.handed_over(ledger, name, options["password_id"], options["store"], run)
    else:
        why = f"task {options['task']!r} failed" if options["task"].isprintable() and options["task"] else "a task failed"
        result = handovers.failed(ledger, name, options["store"], why, run)
    return {"changed": result.changed, "status": result.status, "store": options["store"]}


def _reported(name: str, owed: Mapping[str, str], context: Context) -> dict[str, Any]:
    if not owed:
        return {"changed": False, "msg": f"{name}: every store has its password."}
    stores = ", ".join(owed)
    if context.check_mode:
        return {"changed": True, "msg": f"{name}: its password would be handed over to {stores}."}
    message = (
        f"{name}: its password is in force and in the ledger, but was not handed over to {stores}. The next run makes up for it, and so "
        "does the playbook handover."
    )
    context.unmasked.update(failed=True, msg=message)
    return {"changed": False}

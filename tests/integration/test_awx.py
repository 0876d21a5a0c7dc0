# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""AWX as code (docs/examples/awx): the playbook that configures it, and each job template run as AWX runs it.

No AWX can be had for tests. The modules of awx.awx are stand-ins with the real ones' options, and write down what they are given; jobs are
run by ansible-runner, as AWX runs them, with what the types of credentials inject.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ansible_runner
import jinja2
import pytest
import yaml

from ansible_collections.keyturn.devices.plugins.module_utils._ledger import people
from ansible_collections.keyturn.devices.plugins.module_utils._ledger.records import ImportRow
from ansible_collections.keyturn.devices.plugins.module_utils._run import Run
from integration.canaries import found_below
from integration.cores import CHECKOUT, Core
from integration.sites import PASSPHRASE, Site, site

EXAMPLE = CHECKOUT / "docs" / "examples" / "awx"
SPECS = yaml.safe_load((Path(__file__).parent / "awx_argument_specs.yml").read_text())

# Of the action, not of the module: a process for each call would take most of the time.
STAND_IN = """\
import json
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        _validated, options = self.validate_argument_spec(json.loads({spec!r}))
        with open({record!r}, "a") as file:
            file.write(json.dumps([{name!r}, {{key: value for key, value in options.items() if value is not None}}]) + "\\n")
        return {{"changed": True}}
"""
# That it reads like a template is to change nothing.
MAILBOX_PASSWORD = "CANARY {{ mailbox }}"


@dataclass
class Awx:
    """What was configured: C(told), the options of every call by module and name."""

    told: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)

    def injected(self, job_template: str, folder: Path) -> tuple[dict[str, str], dict[str, Any]]:
        """Environment and extra variables of a job, as AWX makes them of its credentials."""
        environment: dict[str, str] = {}
        variables: dict[str, Any] = {}
        for name in self.told["job_template"][job_template]["credentials"]:
            credential = self.told["credential"][name]
            kind = self.told["credential_type"][credential["credential_type"]]
            injectors = kind["injectors"]
            values = {**_defaults(kind), **credential["inputs"]}
            files = {}
            for key, template in injectors.get("file", {}).items():
                files[key.removeprefix("template.")] = str(folder / f"credential-{name}-{key}")
                Path(files[key.removeprefix("template.")]).write_text(_rendered(template, values))
            values["tower"] = {"filename": files}
            environment.update({key: _rendered(text, values) for key, text in injectors.get("env", {}).items()})
            # AWX marks what comes from a credential as unsafe where it could be a template.
            variables.update({key: Unsafe(_rendered(text, values)) for key, text in injectors.get("extra_vars", {}).items()})
        return environment, variables


class Unsafe(str):
    """A text that Ansible must not take for a template."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(template).render(values)


def _defaults(kind: Mapping[str, Any]) -> dict[str, str]:
    return {each["id"]: each["default"] for each in kind["inputs"]["fields"] if "default" in each}


@pytest.fixture(scope="module")
def place(newest_core: Core, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("awx"), newest_core, routers=2) as built:
        built.import_real_passwords()
        with built.ledger() as ledger:
            people.import_passwords(ledger, [ImportRow("office", "Depot-Seven-47")], Run("import"))
        built.others = {
            "pbxs": {"hosts": {"office": {"device_host": "https://127.0.0.1:9", "device_email": "recovery@example.com"}}},
            "bms_servers": {"hosts": {"plant": {"device_server_kind": "automation_server"}}},
        }
        yield built


@pytest.fixture(scope="module")
def awx(place: Site) -> Awx:
    """Configured by the playbook of the example, with modules that take what the real ones take."""
    folder = place.folder / "configuring"
    actions = folder / "collections" / "ansible_collections" / "awx" / "awx" / "plugins" / "action"
    actions.mkdir(parents=True)
    record = folder / "told.jsonl"
    for name, spec in SPECS.items():
        (actions / f"{name}.py").write_text(STAND_IN.format(spec=json.dumps(spec), record=str(record), name=name))
    secrets = {
        "keyturn_ledger_url": place.ledger_url,
        "keyturn_ledger_passphrase": PASSPHRASE,
        "keyturn_rms_token": place.rms.token,
        "keyturn_rms_inventory_token": place.rms.token,
        "keyturn_mailbox_login": {
            "host": "127.0.0.1",
            "port": "9",
            "tls": "implicit",
            "user": "recovery",
            "password": Unsafe(MAILBOX_PASSWORD),
        },
    }
    (folder / "secrets.yml").write_text(yaml.dump(secrets, Dumper=_Dumper))
    done = place.core.run(
        "ansible-playbook",
        EXAMPLE / "configure.yml",
        "-e",
        f"@{folder / 'secrets.yml'}",
        cwd=folder,
        env={"ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"), "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stdout
    assert PASSPHRASE not in done.stdout
    configured = Awx()
    for line in record.read_text().splitlines():
        module, options = json.loads(line)
        configured.told.setdefault(module, {})[options["name"]] = options
    # The tests' RMS stands where the vendor's is.
    configured.told["credential"]["Keyturn RMS"]["inputs"]["url"] = place.rms.url
    return configured


def test_everything_that_is_named_is_made(awx: Awx) -> None:
    told = awx.told
    assert set(told) == set(SPECS)
    for template in told["job_template"].values():
        assert (EXAMPLE / "project" / template["playbook"]).is_file()
        assert set(template["credentials"]) <= set(told["credential"])
    for credential in told["credential"].values():
        fields = {each["id"] for each in told["credential_type"][credential["credential_type"]]["inputs"]["fields"]}
        assert set(credential["inputs"]) <= fields
    for schedule in told["schedule"].values():
        assert schedule["unified_job_template"] in told["job_template"]
        assert re.fullmatch(r"DTSTART;TZID=UTC:\d{8}T\d{6} RRULE:FREQ=DAILY;INTERVAL=1;BYHOUR=\d+;BYMINUTE=\d+", schedule["rrule"])
    for workflow in told["workflow_job_template"].values():
        nodes = {node["identifier"]: node for node in workflow["workflow_nodes"]}
        for node in nodes.values():
            job = node["unified_job_template"]
            assert job["type"] == "workflow_approval" or job["name"] in told["job_template"]
            assert {each["identifier"] for each in node["related"]["success_nodes"]} <= set(nodes)
        assert workflow["workflow_nodes"][0]["unified_job_template"]["type"] == "workflow_approval", "nothing begins by itself"


# They are for a command line: what they read or write is a file, and a job's container keeps none.
WITH_FILES = {"backup.yml", "restore.yml", "report.yml"}


def test_every_playbook_of_the_collection_has_a_job_template(awx: Awx) -> None:
    playbooks = {path.name for path in (CHECKOUT / "playbooks").glob("[!_]*.yml")} - WITH_FILES
    assert {template["playbook"] for template in awx.told["job_template"].values()} == playbooks
    for name in playbooks:
        [play] = yaml.safe_load((EXAMPLE / "project" / name).read_text())
        assert play["ansible.builtin.import_playbook"] == f"keyturn.devices.{name.removesuffix('.yml')}"


@dataclass(frozen=True)
class Job:
    """C(survey): what somebody answers. C(code): how it ends. C(says): what is to be found in its output."""

    template: str
    says: str
    survey: Mapping[str, Any] = field(default_factory=dict)
    code: int = 0
    check: bool = False


# The PBX of this site is not there: that its jobs get as far as it, with ledger and mailbox as injected, is what is to be seen.
JOBS = (
    Job("Create the ledger", "there already"),
    Job("Rotate routers", "2 changed"),
    Job("Settle what is open", "0 unknown"),
    Job("Show what happened", "depot"),
    Job("Compliance", "plant", code=2),
    Job("Verify passwords", "office"),
    Job("Hand passwords over", "PLAY RECAP"),
    Job("Rotate PBXs", "office: due", check=True),
    Job("PBX readiness", "unreachable", check=True, code=2),
    Job("Recover a PBX", "would be", {"target": "office"}, check=True),
    Job("Begin the recovery of a building server", "waiting for reset_mode", {"target": "plant"}),
    # What nobody answers may come as an empty text.
    Job(
        "Recover a building server",
        "waiting for session_id",
        {"target": "plant", "bms_session_id": "", "bms_temporary_password": "", "bms_confirmed": ["reset_mode"]},
    ),
    Job("Finish the recovery of a building server", "cannot be confirmed", {"target": "plant"}, code=2),
)


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.template.replace(" ", "-"))
def test_a_job_runs_with_what_its_credentials_inject(place: Site, awx: Awx, job: Job, tmp_path: Path) -> None:
    template = awx.told["job_template"][job.template]
    shutil.copytree(EXAMPLE / "project", tmp_path / "project")
    environment, injected = awx.injected(job.template, tmp_path)
    asked = {question["variable"] for question in template.get("survey_spec", {}).get("spec", [])}
    assert set(job.survey) <= asked
    variables = {**template["extra_vars"], **job.survey, **injected}
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "awx_extra_vars").write_text(yaml.dump(variables, Dumper=_Dumper))
    place.command("unused")  # writes the inventory
    kept = {name: value for name, value in place.core.environment().items() if name.startswith(("ANSIBLE_", "PATH"))}

    run = ansible_runner.run(
        private_data_dir=str(tmp_path),
        playbook=template["playbook"],
        inventory=str(place.folder / "inventory.json"),
        cmdline=f"-e @{tmp_path / 'env' / 'awx_extra_vars'}{' --check' if job.check else ''}",
        envvars={**kept, **environment, "HOME": str(place.folder / "home"), "ANSIBLE_FORCE_COLOR": "0"},
        quiet=True,
        settings={"job_timeout": 240},
    )

    printed = run.stdout.read()
    assert (run.rc, job.says in printed) == (job.code, True), printed
    secrets = [PASSPHRASE, place.rms.token, MAILBOX_PASSWORD, *place.rms.passwords().values()]
    assert list((tmp_path / "artifacts").rglob("command"))
    assert found_below(tmp_path / "artifacts", secrets) == []

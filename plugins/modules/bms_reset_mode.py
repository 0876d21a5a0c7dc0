#!/usr/bin/python
# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: bms_reset_mode
short_description: Put an EcoStruxure building server in password reset mode
version_added: 1.0.0
description:
  - Puts one EcoStruxure Building Operation server in password reset mode, the first step of the vendor's Password Reset Workflow, or hands
    the step to a person and says so. The server stays in that mode for 24 hours. Meanwhile the vendor's local support supplies a temporary
    password for the session ID of a WorkStation.
  - Servers in containers are stopped, given the vendor's marker in their volume, and started. Servers of the vendor's Kubernetes operator
    are put in the mode by the operator's own request field. No other field is ever written; O(kubernetes) cannot send
    C(resetTemporaryPassword), which deletes a server's data.
  - For all other servers no way is public by which a program could do it. There the module gives exact instructions, checks what can be
    seen beforehand, and takes a person's word afterwards (O(confirmed=true)). A dialogue on a serial console can be carried out, but it has
    to come from you, because none is public.
  - The mode cannot be read back from a server. What is known of it stands in RV(evidence).
  - The module never computes a password and never uses one.
author:
  - Keyturn developers (@keyturn)
extends_documentation_fragment:
  - keyturn.devices.http_client
  - keyturn.devices.attributes
  - keyturn.devices.attributes.action_group_bms
attributes:
  check_mode:
    support: full
    details:
      - Says what would be done. Only reads; opens no serial port.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - A server in a container or a cluster that is in reset mode already is left alone for as long as the mode lasts. That is known from a
        record kept beside the container's volume (an empty volume with a label), and from the operator's status.
      - A dialogue is carried out, and a confirmed step recorded, every time.
options:
  server_kind:
    description: The kind of server.
    type: str
    choices: [enterprise_server, enterprise_central, automation_server, edge_server, pct_server, fdp_server]
    required: true
  server_version:
    description:
      - Version of the server, such as V(6.0) or V(2024). Reset mode is documented from version 3.0 on, for Edge Servers from 5.0, for fire
        servers from 7.0. A server older than that is refused.
    type: str
  transport:
    description:
      - How to reach the server. By default V(container) for O(server_kind=edge_server), else V(guided).
      - V(container) and V(kubernetes) are for Enterprise Servers, Enterprise Centrals and Edge Servers, V(serial) for automation servers,
        V(guided) for all. Other combinations are refused.
    type: str
    choices: [container, kubernetes, serial, guided]
  container:
    description: The server's container, on the host where the module runs. Needed for O(transport=container).
    type: dict
    suboptions:
      engine:
        description: The command line that is used.
        type: str
        choices: [podman, docker]
        default: podman
      name:
        description: Name of the container.
        type: str
        required: true
      volume:
        description:
          - Name of the volume that the container has at C(/var/sbo). It is found when it is not given; a wrong one is refused.
        type: str
      image:
        description:
          - Image that makes the marker, which has to be on the host and to have a shell. By default the container's own, as in the vendor's
            script.
        type: str
      url:
        description:
          - Address of the server's web pages, to wait for its answer. By default O(url), else the port that the container publishes;
            without one, only that the container stays up is awaited.
        type: str
  kubernetes:
    description: The server's resource of the kind C(EboServer). Needed for O(transport=kubernetes).
    type: dict
    suboptions:
      kubeconfig:
        description: Path of the kubeconfig. By default as C(kubectl) finds it.
        type: path
      context:
        description: Context of the kubeconfig. By default its current one.
        type: str
      namespace:
        description: Namespace of the resource. By default that of the context, else C(default), as C(kubectl) takes it.
        type: str
      name:
        description: Name of the resource.
        type: str
        required: true
  serial:
    description: A serial console. Needed for O(transport=serial).
    type: dict
    suboptions:
      port:
        description:
          - Device, or any URL of pyserial's, such as C(rfc2217://console.example.com:4001) or C(socket://192.0.2.7:4001). Those are neither
            encrypted nor authenticated. C(spy://) is refused, because it writes down secrets. A console server whose line has no modem
            signals may need C(?ign_set_control) at the end of an C(rfc2217://) URL.
        type: str
        required: true
      baudrate:
        description: Speed in baud. The vendor publishes none.
        type: int
        default: 9600
      line_end:
        description: What follows everything that is sent. A carriage return alone is always sent first.
        type: str
        choices: [cr, lf, crlf, none]
        default: cr
      dialogue:
        description: What to wait for and what to send, in this order.
        type: list
        elements: dict
        required: true
        suboptions:
          expect:
            description:
              - Regular expression (Python's, C(^) and C($) match at every line) to wait for in what was printed since the last step. Every
                way to end a line counts as C(\\n). Without it, O(serial.dialogue[].send) is sent at once.
            type: str
          send:
            description: What to send then.
            type: str
          secret:
            description:
              - Whether O(serial.dialogue[].send) is a secret. It is shown nowhere then, and nothing that the console prints afterwards is.
            type: bool
            default: false
          timeout:
            description: Seconds to wait for O(serial.dialogue[].expect).
            type: int
            default: 30
          line_end:
            description: What follows O(serial.dialogue[].send), instead of O(serial.line_end).
            type: str
            choices: [cr, lf, crlf, none]
  url:
    description:
      - Address of the server's web pages. With O(transport=guided) its ports, its certificate and whether it answers are looked at.
    type: str
  confirmed:
    description:
      - With O(transport=guided), a person says that the server is in reset mode now. That moment is recorded.
    type: bool
    default: false
  deadline:
    description: Seconds to wait for the server's answer, for the operator's phases, or for the whole dialogue.
    type: int
    default: 600
requirements:
  - kubernetes >= 29.0.0 (for O(transport=kubernetes))
  - pyserial >= 3.5 (for O(transport=serial))
notes:
  - The order stop, mark, start is that of the vendor's operator (observed). That a server reads the marker at its start, and that the 24
    hours hold for servers in containers too, is assumed.
  - A signal that would end the module while a container is stopped waits until it is started again. When the module is killed all the same,
    its next run finds that out and starts the server.
"""

EXAMPLES = r"""
- name: An Edge Server in a container on the managed host
  keyturn.devices.bms_reset_mode:
    server_kind: edge_server
    container:
      name: cs3
      url: https://192.0.2.30/
    ca_path: /etc/ssl/building.pem

- name: An Enterprise Server of the vendor's Kubernetes operator
  keyturn.devices.bms_reset_mode:
    server_kind: enterprise_server
    transport: kubernetes
    kubernetes:
      context: buildings
      namespace: tower-7
      name: es1
  delegate_to: localhost

- name: What has somebody to do for an automation server?
  keyturn.devices.bms_reset_mode:
    server_kind: automation_server
    url: https://as-p-12.example.com/
  delegate_to: localhost
  register: reset_mode

- name: Show it
  ansible.builtin.debug:
    var: reset_mode.handed_to_operator

- name: Somebody did it
  keyturn.devices.bms_reset_mode:
    server_kind: automation_server
    confirmed: true
  delegate_to: localhost

- name: A console dialogue of your own
  keyturn.devices.bms_reset_mode:
    server_kind: automation_server
    transport: serial
    serial:
      port: rfc2217://console.example.com:4001
      baudrate: 115200
      dialogue:
        - expect: 'login: $'
          send: service
        - expect: 'Password: $'
          send: "{{ console_password }}"
          secret: true
        - expect: '^Ready'
          timeout: 120
  delegate_to: localhost
"""

RETURN = r"""
armed:
  description: Whether the server is in reset mode, as far as RV(evidence) goes. It may be although the task failed.
  returned: always
  type: bool
  sample: true
armed_at:
  description: Since when, ISO 8601 in UTC; C(null) when it is not.
  returned: always
  type: str
  sample: "2026-01-31T10:15:00Z"
reset_deadline:
  description: When the mode ends, 24 hours later; C(null) when the server is not in it.
  returned: always
  type: str
  sample: "2026-02-01T10:15:00Z"
done:
  description: What this run did, in order.
  returned: always
  type: list
  elements: str
  sample:
    - Stopped the container cs3.
    - Created the marker /var/sbo/db/reset/r0.txt in the volume cs3-db.
    - Started the container cs3.
handed_to_operator:
  description: What only a person can do, in order. None of it is done.
  returned: always
  type: list
  elements: str
  sample: []
preconditions:
  description: What was looked at beforehand.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: V(port_...), V(certificate), V(answers) or V(serial_devices).
      type: str
      returned: always
      sample: port_4444
    ok:
      description: Whether it is as it should be.
      type: bool
      returned: always
      sample: true
    message:
      description: The same in words.
      type: str
      returned: always
      sample: Port 4444 of as-p-12.example.com is open.
transport:
  description: The transport that was used.
  returned: always
  type: str
  sample: container
evidence:
  description:
    - How it is known that this way puts this kind of server in reset mode. V(documented), the vendor says so. V(observed), the vendor's
      code does so. V(assumed), nobody says so.
  returned: always
  type: str
  sample: observed
reason:
  description:
    - Why the server is not in reset mode, or not known to be well; empty otherwise.
    - "One of: V(operator_awaited), V(bad_input), V(not_found), V(unauthorized), V(conflict), V(timeout), V(interrupted), V(unreachable),
      V(certificate), V(protocol), V(library), V(engine_missing), V(engine), V(not_restarted) (the server is stopped and has to be
      started by hand), V(clock_ahead), V(job_kept), V(job_skipped), V(port_unavailable), V(port_lost)."
  returned: always
  type: str
  sample: ""
message:
  description: The same in words.
  returned: always
  type: str
  sample: The server in the container cs3 was started with the marker.
retryable:
  description: Whether the same task may succeed later.
  returned: always
  type: bool
  sample: false
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.job import put_in_reset_mode
from ansible_collections.keyturn.devices.plugins.module_utils._ebo.options import reset_mode_secrets, reset_mode_spec
from ansible_collections.keyturn.devices.plugins.module_utils._http import http_spec
from ansible_collections.keyturn.devices.plugins.module_utils._module import Context, run_module

SPEC = reset_mode_spec() + http_spec()


def work(options: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return put_in_reset_mode(options, context)


def main() -> None:
    run_module(SPEC, work, reset_mode_secrets)


if __name__ == "__main__":
    main()

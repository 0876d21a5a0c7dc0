# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API of a Kubernetes cluster, as far as it is needed: reading, and one request that changes anything.

Beside the field that asks for reset mode the vendor's resource has another, C(resetTemporaryPassword), which deletes the server's data.
Nothing here can send it, nor any other field: what is not a read goes through one gate, which lets one body pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

from ansible_collections.keyturn.devices.plugins.module_utils._ebo.transport import ResetModeFault

if TYPE_CHECKING:
    import urllib3

#: The vendor's resource (observed in the operator's code).
GROUP, VERSION, PLURAL, KIND = "digbld.em.se.com", "v1alpha6", "eboservers", "EboServer"
FIELD = "passwordResetMode"


class Sender(Protocol):
    """What carries requests: of urllib3's PoolManager this one method."""

    def request(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """Send and wait for the reply."""


@dataclass(frozen=True)
class Told:
    """A reply: its content, and the server's time in seconds since 1970."""

    content: Mapping[str, Any]
    now: float


class ApiFault(ResetModeFault):
    """A reply that is no success, or none. C(may_pass): whether asking again later may well do."""

    def __init__(self, reason: str, message: str, may_pass: bool) -> None:
        super().__init__(reason, message)
        self.may_pass = may_pass


class Api:
    """Speaks of one server of one namespace. C(headers): those that say who asks."""

    def __init__(self, sender: Sender, host: str, headers: Mapping[str, str], namespace: str, name: str, timeout: float) -> None:
        self._sender = sender
        self._headers = dict(headers)
        self._timeout = timeout
        self._name = name
        self._namespace = namespace
        root = host.rstrip("/")
        self._server = f"{root}/apis/{GROUP}/{VERSION}/namespaces/{quote(namespace, safe='')}/{PLURAL}/{quote(name, safe='')}"
        self._events = f"{root}/api/v1/namespaces/{quote(namespace, safe='')}/events"

    def server(self) -> Told:
        """The resource. Raises ApiFault."""
        return self._send("GET", self._server)

    def events(self) -> list[Mapping[str, Any]]:
        """What happened to the resource, as far as the cluster still knows. Raises ApiFault."""
        chosen = urlencode({"fieldSelector": f"involvedObject.kind={KIND},involvedObject.name={self._name}"})
        items = self._send("GET", f"{self._events}?{chosen}").content.get("items")
        return [item for item in items if isinstance(item, Mapping)] if isinstance(items, list) else []

    def ask_for_reset_mode(self, moment: str, resource_version: str) -> None:
        """Write the field, unless the resource is another one by now (reason C(conflict)). Raises ApiFault."""
        self._send("PATCH", self._server, {"metadata": {"resourceVersion": resource_version}, "spec": {FIELD: moment}})

    def _send(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Told:
        if method != "GET" and not (method == "PATCH" and url == self._server and _asks_for_reset_mode_only(body)):
            raise RuntimeError("This must not be sent to a cluster.")
        headers = {**self._headers, "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
            content = json.dumps(body)
        import urllib3

        try:
            reply = self._sender.request(
                method, url, body=content, headers=headers, timeout=self._timeout, retries=False, redirect=False, preload_content=True
            )
        except urllib3.exceptions.SSLError:
            raise ApiFault("certificate", "The API server's certificate is not trusted.", may_pass=False) from None
        except urllib3.exceptions.TimeoutError:
            raise ApiFault("timeout", "The API server did not answer in time.", may_pass=True) from None
        except urllib3.exceptions.HTTPError as problem:
            if any(isinstance(part, urllib3.exceptions.SSLError) for part in (problem, problem.__cause__, *problem.args)):
                raise ApiFault("certificate", "The API server's certificate is not trusted.", may_pass=False) from None
            raise ApiFault("unreachable", f"The API server cannot be reached: {type(problem).__name__}.", may_pass=True) from None
        if not 200 <= reply.status < 300:
            raise self._refusal(reply.status)
        try:
            read = json.loads(reply.data)
            now = parsedate_to_datetime(reply.headers["Date"]).timestamp()
        except (ValueError, KeyError, TypeError):
            raise ApiFault("protocol", "The API server's reply cannot be read, or does not tell the time.", may_pass=True) from None
        if not isinstance(read, Mapping):
            raise ApiFault("protocol", "The API server's reply is no object.", may_pass=True)
        return Told(read, now)

    def _refusal(self, status: int) -> ApiFault:
        # What it says besides is not repeated: it may hold what was sent.
        where = f"{self._name} in the namespace {self._namespace}"
        if status in (401, 403):
            return ApiFault("unauthorized", f"The API server does not let this user do it with {where} (HTTP {status}).", may_pass=False)
        if status == 404:
            return ApiFault("not_found", f"There is no {KIND} {where}, or the cluster does not know that kind.", may_pass=False)
        if status == 409:
            return ApiFault("conflict", f"Something else changed {where} at the same moment.", may_pass=True)
        return ApiFault("protocol", f"The API server answered HTTP {status}.", may_pass=status >= 500 or status == 429)


def _asks_for_reset_mode_only(body: Mapping[str, Any] | None) -> bool:
    """Whether that field, and the version it is about, are all there is."""
    if body is None or set(body) != {"metadata", "spec"}:
        return False
    return set(body["metadata"]) == {"resourceVersion"} and set(body["spec"]) == {FIELD} and isinstance(body["spec"][FIELD], str)


def connect(kubeconfig: str | None, context: str | None, namespace: str | None, name: str, timeout: float) -> Api:
    """With the client library's way of reading a kubeconfig. C(namespace): by default the context's own. Raises ResetModeFault."""
    try:
        from kubernetes import config
    except ImportError:
        raise ResetModeFault("library", "The Python library kubernetes is needed on this host for transport=kubernetes.") from None
    fault: ResetModeFault | None = None
    try:
        contexts, active = config.list_kube_config_contexts(config_file=kubeconfig)
        chosen = active if context is None else next((each for each in contexts if each["name"] == context), None)
        if chosen is None:
            fault = ResetModeFault("bad_input", f"kubernetes.context: the kubeconfig has no context {context}.")
        else:
            namespace = namespace or chosen["context"].get("namespace")
            client = config.new_client_from_config(config_file=kubeconfig, context=context, persist_config=False)
    except Exception as problem:  # A kubeconfig names programs and files, and the library raises whatever they do.
        fault = ResetModeFault("bad_input", f"kubernetes.kubeconfig cannot be used: {type(problem).__name__}.")
    if fault:
        raise fault
    headers = {setting["key"]: setting["value"] for setting in client.configuration.auth_settings().values() if setting["in"] == "header"}
    return Api(client.rest_client.pool_manager, client.configuration.host, headers, namespace or "default", name, timeout)

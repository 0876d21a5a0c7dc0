# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options by which a module reads mail, and what is made of them."""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.keyturn.devices.plugins.module_utils._mail import content, imap
from ansible_collections.keyturn.devices.plugins.module_utils._mail.connection import Access
from ansible_collections.keyturn.devices.plugins.module_utils._mail.judging import Search
from ansible_collections.keyturn.devices.plugins.module_utils._mail.marker import Marker
from ansible_collections.keyturn.devices.plugins.module_utils._mail.safety import AllowedHost
from ansible_collections.keyturn.devices.plugins.module_utils._run import read_moment
from ansible_collections.keyturn.devices.plugins.module_utils._spec import Spec

_PORTS = {("imap", True): 993, ("imap", False): 143, ("pop3", True): 995, ("pop3", False): 110}
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")


def mailbox_spec(required: bool = True) -> Spec:
    """The option C(mailbox)."""
    options = {
        "protocol": {"type": "str", "choices": ["imap", "pop3"], "default": "imap"},
        "host": {"type": "str", "required": True},
        "port": {"type": "int"},
        "tls": {"type": "str", "choices": ["implicit", "starttls", "none"], "default": "implicit"},
        "user": {"type": "str", "required": True},
        "password": {"type": "str", "no_log": True},
        "oauth_token": {"type": "str", "no_log": True},
        "folders": {"type": "list", "elements": "str"},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
    }
    mailbox: dict[str, Any] = {
        "type": "dict",
        "required": required,
        "options": options,
        "mutually_exclusive": [("password", "oauth_token")],
        "required_one_of": [("password", "oauth_token")],
    }
    return Spec({"mailbox": mailbox})


def search_spec(subjects: Sequence[str] | None = None) -> Spec:
    """The options that say which mail is meant, but not where its link may point. C(subjects): the default."""
    wanted: dict[str, Any] = {"type": "list", "elements": "str"}
    return Spec({"subjects": wanted if subjects is None else {**wanted, "default": list(subjects)}, "sender": {"type": "str"}})


def missing_library(protocol: str) -> str | None:
    """What is to be installed to read mail by C(protocol); None when all is there."""
    if protocol == "imap" and imap.library_problem() is not None:
        return str(missing_required_lib("IMAPClient"))
    if content.library_problem() is not None:
        return str(missing_required_lib("beautifulsoup4"))
    return None


def read_access(mailbox: Mapping[str, Any]) -> Access:
    """From the option C(mailbox). ValueError with all that is wrong, naming each option."""
    problems: list[str] = []
    protocol, tls = mailbox["protocol"], mailbox["tls"]
    host = mailbox["host"].strip().strip("[]")
    if not _HOST.fullmatch(host):
        problems.append("mailbox.host must be the name or the address of a mail server")
    port = _PORTS[protocol, tls == "implicit"] if mailbox["port"] is None else mailbox["port"]
    if not 0 < port < 65536:
        problems.append("mailbox.port must be between 1 and 65535")
    oauth = mailbox["oauth_token"] is not None
    secret = mailbox["oauth_token"] if oauth else mailbox["password"]
    for name, value in (("user", mailbox["user"]), ("oauth_token" if oauth else "password", secret)):
        # A line end would be the beginning of another command.
        if not value or not value.isprintable():
            problems.append(f"mailbox.{name} {'contains unprintable characters' if value else 'is empty'}")
    folders = None if mailbox["folders"] is None else tuple(dict.fromkeys(mailbox["folders"]))
    if folders is not None and protocol == "pop3":
        problems.append("mailbox.folders belongs to protocol=imap: POP3 has only the inbox")
    if folders is not None and not all(name and name.isprintable() for name in folders):
        problems.append("mailbox.folders contains a name that no folder has")
    if folders == ():
        problems.append("mailbox.folders is empty")
    access = Access(protocol, host, port, tls, mailbox["user"], secret, oauth, folders, mailbox["validate_certs"], mailbox["ca_path"])
    if access.ca_path and not os.path.exists(access.ca_path):
        problems.append("mailbox.ca_path does not exist")
    else:
        try:
            access.tls_context()
        except OSError:
            problems.append("mailbox.ca_path holds no certificates that can be read")
    if problems:
        raise ValueError("; ".join(problems))
    return access


def read_search(
    allowed_hosts: Sequence[str] | None, subjects: Sequence[str] | None, sender: str | None, recipient: str | None = None
) -> Search:
    """What is looked for; C(allowed_hosts) is None where no link is. ValueError with all that is wrong, naming each option."""
    problems: list[str] = []
    hosts: list[AllowedHost] = []
    if allowed_hosts is not None and not allowed_hosts:
        problems.append("allowed_hosts is empty, so no link could be followed")
    for number, text in enumerate(allowed_hosts or ()):
        try:
            hosts.append(AllowedHost.read(text))
        except ValueError as problem:
            problems.append(f"allowed_hosts[{number}] {problem}")
    for name, address in (("sender", sender), ("recipient", recipient)):
        if address is not None and not _ADDRESS.fullmatch(address.strip()):
            problems.append(f"{name} is no mail address")
    if subjects is not None and not all(subject.strip() for subject in subjects):
        problems.append("subjects contains an empty subject")
    if problems:
        raise ValueError("; ".join(problems))
    return Search(hosts, subjects or (), sender.strip() if sender else None, recipient.strip() if recipient else None)


def read_start(marker: Mapping[str, Any] | None, since: str | None, access: Access) -> Marker | datetime.datetime:
    """Since when mails count, of one of the two. ValueError with what is wrong."""
    if marker is not None:
        try:
            return Marker.read(marker, access)
        except ValueError as problem:
            raise ValueError(f"marker {problem}") from None
    try:
        return read_moment(since or "")
    except ValueError as problem:
        raise ValueError(f"since {problem}") from None

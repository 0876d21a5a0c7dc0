# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of everything that works the pages of a PBX."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - The web page of the PBX with its port, such as V(https://192.0.2.5:8088). HTTPS unless it says C(http://). It ends after the port.
    type: str
    required: true
  username:
    description: The web user.
    type: str
    default: admin
  validate_certs:
    description:
      - Whether the certificate of the PBX must be valid and trusted.
      - Without it, anybody between you and the PBX can read every password. A PBX with a self-signed certificate is better trusted by
        O(fingerprint).
    type: bool
    default: true
  ca_path:
    description:
      - A file (or a directory prepared with C(openssl rehash)) of certificates to trust instead of those of the system.
    type: path
  fingerprint:
    description:
      - SHA-256 fingerprint of the certificate of this PBX, in hexadecimal digits, with or without colons. O(validate_certs) and O(ca_path)
        do not count then.
    type: str
  proxy:
    description:
      - A proxy for everything that goes to the PBX, V(socks5://host:port) or V(http://host:port), with C(user:password@) where it asks for
        that. Host names are resolved there.
      - With C(ssh -D) to a jump host it is the way to a site that has neither Python nor a browser.
    type: str
  profile:
    description:
      - What the pages of the PBX are made of, ids and texts with their evidence. Name of a shipped profile, or the path of a YAML file of
        one's own where the module runs. V(s-series), which covers the S-Series, the K2 and the legacy Cloud PBX, is used by default.
      - "A file may hold only what differs: C(extends: s-series), the facts about the file itself (C(format), C(name), C(products),
        C(firmware), C(recorded), C(source)), and the corrected entries of C(elements), C(labels), C(messages) and C(results)."
    type: str
  browser:
    description:
      - The Chromium to start. By default the first one found where the module runs; a headless shell, which has no windows to care for,
        is looked for first.
    type: path
  screenshots:
    description:
      - A directory for a picture of the page on which the module stopped when it did not succeed. Passwords are blanked; the picture
        can be read by its owner only. By default no picture is made.
    type: path
  timeout:
    description:
      - Seconds to wait for a connection, and for a page to answer.
    type: int
    default: 30
  on_device_failure:
    description:
      - Whether the task fails when it did not succeed on the PBX (V(fail)), or only reports it (V(report)). Bad input fails the task
        either way.
    type: str
    choices: [fail, report]
    default: fail
notes:
  - The pages of the PBX are worked in a headless Chromium, because no documented interface reaches the administrator's password. Which
    ids and texts they have is known from public evidence, not from a device. Where a page is not the one that the profile describes, the
    module stops with reason V(profile_unknown) and says what it looked for, before anything is typed there.
  - The browser can connect to the PBX and to nothing else, whatever a page tries. It keeps everything in memory and leaves nothing behind.
  - A PBX may lock out an address after three wrong logins. A lock-out is reported as V(locked_out), and nothing more is sent.
  - A factory reset is never requested.
requirements:
  - playwright >= 1.48 (the library alone; C(playwright install) is not needed)
  - Chromium, or a browser made from it
  - cryptography >= 42.0
  - PyYAML
seealso:
  - name: How to reset the web login password of S-Series and K2
    description: The vendor's article.
    link: https://support.yeastar.com/hc/en-us/articles/360038016794-How-to-Reset-Web-Login-Password-for-S-Series-and-K2
"""

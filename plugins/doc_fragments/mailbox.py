# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The mailbox of everything that reads mail."""

    DOCUMENTATION = r"""
options:
  mailbox:
    description:
      - The mailbox to read. It stays as it is, nothing is deleted, moved or marked as read by IMAP. Some POP3 servers mark what was
        read, or archive it, when their owner has set that up.
      - Every login is tried once. A refused one is never tried again, because providers lock out.
    type: dict
    suboptions:
      protocol:
        description: V(imap) or V(pop3). By POP3 only the inbox is seen, and each look is a login of its own.
        type: str
        choices: [imap, pop3]
        default: imap
      host:
        description: Name or address of the mail server.
        type: str
        required: true
      port:
        description: Its port. By default the usual one, C(993) or C(143) for IMAP, C(995) or C(110) for POP3.
        type: int
      tls:
        description:
          - V(implicit) from the first byte, V(starttls) on the port for plain text, or V(none).
          - With V(starttls), nothing secret is sent to a server that does not offer it. With V(none), everybody in between can read the
            password and the link.
        type: str
        choices: [implicit, starttls, none]
        default: implicit
      user:
        description: The user name, mostly the mail address.
        type: str
        required: true
      password:
        description: The password, or what the provider gives for programs (app password, authorization code).
        type: str
      oauth_token:
        description: An access token instead of a password, for the mechanism XOAUTH2 that Microsoft and Google ask for.
        type: str
      folders:
        description:
          - The IMAP folders to look into. By default the inbox and the one for junk, told by the server or found by its usual names.
        type: list
        elements: str
      validate_certs:
        description: Whether the server's certificate must be valid and trusted.
        type: bool
        default: true
      ca_path:
        description: A file, or a directory prepared with C(openssl rehash), of certificates to trust instead of those of the system.
        type: path
requirements:
  - IMAPClient >= 3.1.0 (for IMAP)
  - beautifulsoup4 >= 4.12.0
"""

# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options of everything that speaks to Teltonika's RMS."""

    DOCUMENTATION = r"""
options:
  rms_url:
    description:
      - Base URL of the RMS API.
      - Can be given by the environment variable E(RMS_URL).
    type: str
    default: https://rms.teltonika-networks.com/api
  rms_status_url:
    description:
      - URL of the RMS status service, under which C(/channel/<channel>) is asked for the outcomes of a request.
      - The service lies outside the API. When O(rms_url) ends in C(/api), it is C(/status) on the same host, as on the public service.
        For the vendor's other host, C(https://api.rms.teltonika-networks.com), it is C(https://rms.teltonika-networks.com/status).
        For any other URL it must be given.
      - Can be given by the environment variable E(RMS_STATUS_URL).
    type: str
  rms_token:
    description:
      - Personal access token of the RMS account, sent as bearer token.
      - It is made in the account settings of RMS and needs two-factor authentication on the account. Its scopes must allow to read
        devices, and to read and change device passwords where passwords are set. The vendor does not publish the exact names of these
        scopes.
      - Can be given by the environment variable E(RMS_TOKEN).
      - Needed by whatever asks RMS.
    type: str
"""

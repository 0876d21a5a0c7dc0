# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The router's HTTP API: what it answers to one request, without any socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from simulators.kit.server import Answer, Call

from .model import Router, Session, User

BIGGEST_BODY = 100 * 1024
BULK_LIMIT = 100
#: Rights of a group on the users end point.
MAY_MANAGE_USERS = ("root", "admin")


@dataclass(frozen=True)
class Caller:
    """Who asks: the address, and the bearer token as sent."""

    source: str
    token: str | None


class Refusal(Exception):
    """Ends a request with the error envelope."""

    def __init__(self, status: int, *errors: dict[str, Any]) -> None:
        super().__init__(status)
        self.answer = Answer(status, {"success": False, "errors": list(errors)})


def error(code: int, text: str, source: str, section: str | None = None, value: str | None = None) -> dict[str, Any]:
    members = {"code": code, "error": text, "source": source, "section": section, "value": value}
    return {key: member for key, member in members.items() if member is not None}


def not_found() -> Refusal:
    return Refusal(404, error(122, "Endpoint not implemented", "Request"))


def page(status: int, text: str) -> Answer:
    return Answer(status, f"<!DOCTYPE html><html><body><h1>{text}</h1></body></html>".encode(), "text/html")


class Context(NamedTuple):
    """A call that passed the gate; `session` is missing on the public paths only. `path` has no prefix."""

    router: Router
    call: Call
    caller: Caller
    path: str
    session: Session | None = None

    @property
    def user(self) -> User:
        assert self.session is not None
        return self.router.users[self.session.user]

    def data(self) -> Any:
        body = self.json()
        if "data" not in body:
            raise Refusal(400, error(107, "Invalid structure", "Request"))
        return body["data"]

    def json(self) -> dict[str, Any]:
        try:
            body = self.call.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refusal(400, error(122, "Incorrect request: the body is not JSON", "Request"))
        return body

    def echo(self, value: Any) -> str | None:
        return value if self.router.switches.echo_value and isinstance(value, str) else None


Handler = Callable[[Context], Awaitable[Answer]]


class Route(NamedTuple):
    handler: Handler
    since: int = 0
    public: bool = False
    open_when_expired: bool = False


def success(data: Any = None) -> Answer:
    return Answer(200, {"success": True} if data is None else {"success": True, "data": data})


# --- log-in and sessions ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def counted_login(router: Router) -> Iterator[None]:
    router.logins_under_way += 1
    router.most_logins_at_once = max(router.most_logins_at_once, router.logins_under_way)
    try:
        yield
    finally:
        router.logins_under_way -= 1


@contextlib.asynccontextmanager
async def login_lock(router: Router) -> AsyncIterator[None]:
    """One log-in at a time; who has waited long enough takes the lock for left behind and goes on."""
    try:
        await asyncio.wait_for(router.login_lock.acquire(), router.switches.login_lock_stale)
        held = True
    except asyncio.TimeoutError:
        held = False
    try:
        yield
    finally:
        if held:
            router.login_lock.release()


async def log_in(context: Context) -> Answer:
    router, source = context.router, context.caller.source
    if router.is_blocked(source):
        raise Refusal(401, error(120, "Login failed", "Authorization"))
    body = context.json()
    name, password = body.get("username"), body.get("password")
    if name is None or password is None:
        raise Refusal(400, error(120, "Username and/or password is missing", "Authorization"))
    if not isinstance(name, str) or not isinstance(password, str):
        raise Refusal(400, error(120, "Username and/or password must be a string", "Authorization"))
    with counted_login(router):
        async with login_lock(router):
            stale = router.switches.login_lock_stale if router.switches.stale_login_lock else 0.0
            await asyncio.sleep(stale + router.switches.login_ms / 1000)
            # root is no user of the web service, whatever its password.
            if name not in router.users:
                router.count_wrong_login(source)
                accepted = False
            else:
                accepted = router.log_in(name, password, source)
    if not accepted:
        raise Refusal(401, error(120, "Invalid username and/or password! Please try again.", "Authorization"))
    session = router.open_session(name, "api")
    data = {"username": name, "token": session.token, "expires": router.switches.session_timeout - 1}
    if router.switches.login_group:
        data["group"] = router.users[name].group
    context.call.note["user"] = name
    return success(data)


async def log_out(context: Context) -> Answer:
    assert context.session is not None
    context.router.sessions.pop(context.session.token, None)
    return success({"response": "Logout successful"})


async def session_status(context: Context) -> Answer:
    return success({"username": context.user.name, "active": True})


# --- who and how is the router ---------------------------------------------------------------------------------------------------


async def unauthorized_status(context: Context) -> Answer:
    router = context.router
    data: dict[str, Any] = {"device_name": router.name, "api_version": router.firmware.api_version}
    shape = router.switches.unauthorized_shape
    if shape == "new" or (shape == "firmware" and router.firmware.since(11)):
        data |= {"device_model": router.model, "device_identifier": router.mac.replace(":", ""), "security_banner": {}, "lang": "en"}
    return success(data)


async def device_status(context: Context) -> Answer:
    router = context.router
    shape = router.switches.device_status
    serial: Any = router.claimed_serial
    manufacturer: dict[str, Any] = {
        "serial": int(serial) if shape == "numeric_serial" and serial.isdigit() else serial,
        "mac": router.mac.replace(":", ""),
        "name": router.product_code,
        "hwver": None if shape == "null_fields" else "0505",
        "batch": None if shape == "null_fields" else "0021",
    }
    static: dict[str, Any] = {
        "fw_version": router.firmware.text,
        "model": None if shape == "null_fields" else router.model,
        "device_name": router.name,
        "hostname": router.name,
    }
    data = {"mnfinfo": manufacturer, "static": static}
    data.pop({"no_static": "static", "no_mnfinfo": "mnfinfo"}.get(shape, ""), None)
    return success(data)


async def general(context: Context) -> Answer:
    return success({"id": "general", "firstlogin": str(int(context.router.first_login)), "hostname": context.router.name})


async def empty(context: Context) -> Answer:
    return success([])


# --- policy ----------------------------------------------------------------------------------------------------------------------

POLICY_FIELDS = {
    "password_length": ("min_length", 8, 64),
    "require_digits": ("digits", 0, 1),
    "require_lower_upper": ("lower_upper", 0, 1),
    "require_special": ("special", 0, 1),
    "password_lifetime": ("lifetime_days", 0, 365),
}


def policy_section(context: Context) -> dict[str, str]:
    router = context.router
    values = {**router.policy.__dict__, "special": router.requires_special()}
    section = {"id": "general"} | {name: str(int(values[member])) for name, (member, _low, _high) in POLICY_FIELDS.items()}
    return section | {"current_days_left": str(router.days_left(context.user))}


async def get_policy(context: Context) -> Answer:
    return success([policy_section(context)])


async def set_policy(context: Context) -> Answer:
    if context.user.group != "root":
        raise Refusal(403, error(120, "Unauthorized", "Authorization"))
    data = context.data()
    section = data[0] if isinstance(data, list) and data else data
    if not isinstance(section, dict):
        raise Refusal(400, error(107, "Invalid structure", "Request"))
    wanted: dict[str, Any] = {}
    wrong = []
    for name, (member, low, high) in POLICY_FIELDS.items():
        if name not in section:
            continue
        text = str(section[name])
        if text.isdigit() and low <= int(text) <= high:
            wanted[member] = bool(int(text)) if high == 1 else int(text)
        else:
            wrong.append(error(103, f"Value must be between {low} and {high}", name, "general", text))
    if wrong:
        raise Refusal(422, *wrong)
    for member, value in wanted.items():
        setattr(context.router.policy, member, value)
    return success([policy_section(context)])


# --- passwords -------------------------------------------------------------------------------------------------------------------

SAME = "Password is the same. Use a different new password."


def described(user: User) -> dict[str, Any]:
    return {"id": user.id, "username": user.name, "group": user.group}


def require_user_rights(context: Context) -> None:
    if context.user.group not in MAY_MANAGE_USERS:
        raise Refusal(403, error(120, "Unauthorized", "Authorization"))


async def list_users(context: Context) -> Answer:
    require_user_rights(context)
    return success([described(user) | {"ssh_enable": "0"} for user in context.router.users.values()])


def field_problems(context: Context, data: dict[str, Any], target: User) -> list[dict[str, Any]]:
    """All the 103s at once: missing, mismatch, current_password where it must (not) be, policy."""
    problems = []
    needs_current = target.group == "root" or target is context.user

    def complain(text: str, field: str) -> None:
        problems.append(error(103, text, field, target.id, context.echo(data.get(field))))

    for name in ("password", "password_confirm"):
        if not isinstance(data.get(name), str):
            complain(f"Option '{name}' is required", name)
    if needs_current and not isinstance(data.get("current_password"), str):
        complain("Option 'current_password' is required", "current_password")
    if not needs_current and "current_password" in data:
        complain("'current_password' option is required only for changing your own password", "current_password")
    if not problems and data["password"] != data["password_confirm"]:
        complain("Passwords do not match.", "password_confirm")
    if isinstance(data.get("password"), str) and not context.router.meets_policy(data["password"]):
        complain(context.router.policy_message(), "password")
    return problems


async def change_user(context: Context) -> Answer:
    """PUT /users/config/{id}; the order of the checks is the switch check_order."""
    require_user_rights(context)
    router = context.router
    wanted = context.path.rsplit("/", 1)[1]
    target = next((user for user in router.users.values() if user.id == wanted), None)
    if target is None:
        raise Refusal(422, error(113, "Invalid section", "Request", wanted))
    data = context.data()
    if not isinstance(data, dict):
        raise Refusal(400, error(107, "Invalid structure", "Request"))
    password, current = data.get("password"), data.get("current_password")

    def policy() -> list[dict[str, Any]]:
        return field_problems(context, data, target)

    def rights() -> list[dict[str, Any]]:
        allowed = context.user.group == "root" or target is context.user or target.group == "user"
        return [] if allowed else [error(5, "Not allowed to change password of this user.", "password", target.id)]

    def wrong_current() -> list[dict[str, Any]]:
        if not isinstance(current, str) or current == target.password:
            return []
        if router.switches.wrong_current_counts:
            router.count_wrong_login(context.caller.source)
        return [error(1, "Wrong current password.", "current_password", target.id, context.echo(current))]

    def same() -> list[dict[str, Any]]:
        return [error(6, SAME, "password", target.id, context.echo(password))] if password == target.password else []

    checks = {"policy": policy, "rights": rights, "current": wrong_current, "same": same}
    for name in router.switches.check_order.split(","):
        problems = checks[name]()
        if problems:
            raise Refusal(422, *problems)
    router.change_password(target, str(password), "users_config", context.caller.source, context.session)
    return success(described(target))


async def change_first_login(context: Context) -> Answer:
    router, user = context.router, context.user
    data = context.data()
    if not isinstance(data, dict):
        raise Refusal(400, error(107, "Invalid structure", "Request"))
    if not router.first_login and not router.is_expired(user):
        expiry = " and password is not expired" if router.firmware.policy_is_configurable else ""
        raise Refusal(422, error(122, f"First login is already done{expiry}.", "Request"))
    if "current_password" in data:
        value = context.echo(data["current_password"])
        raise Refusal(422, error(103, "Option 'current_password' is not allowed", "current_password", None, value))
    password = data.get("password")
    missing = [name for name in ("password", "password_confirm") if not isinstance(data.get(name), str)]
    if missing or not isinstance(password, str):
        raise Refusal(422, *(error(103, f"Option '{name}' is required", name) for name in missing))
    if password != data["password_confirm"]:
        raise Refusal(422, error(103, "Passwords do not match.", "Validation", None, context.echo(password)))
    if not router.meets_policy(password):
        raise Refusal(422, error(103, router.policy_message(), "password", None, context.echo(password)))
    if password == user.password:
        raise Refusal(422, error(1, SAME, "password", None, context.echo(password)))
    router.change_password(user, password, "first_login", context.caller.source, context.session)
    return success()


# --- dispatch --------------------------------------------------------------------------------------------------------------------


async def bulk(context: Context) -> Answer:
    """Order kept; the outer success stays true whatever happens inside."""
    if not context.router.switches.bulk:
        raise not_found()
    entries = context.data()
    if not isinstance(entries, list) or len(entries) > BULK_LIMIT:
        raise Refusal(422, error(107, f"At most {BULK_LIMIT} requests", "Request"))
    results = []
    for entry in entries:
        entry = entry if isinstance(entry, dict) else {}
        body = json.dumps({"data": entry.get("data")}).encode()
        inner = Call(0, str(entry.get("method", "GET")), str(entry.get("endpoint", "")), {}, {}, body)
        results.append((await answer_api(context.router, inner, context.caller)).body)
    return Answer(207, {"success": True, "data": results})


ROUTES: dict[str, dict[str, Route]] = {
    "/login": {"POST": Route(log_in, public=True)},
    "/logout": {"POST": Route(log_out)},
    "/session/status": {"GET": Route(session_status, since=8, open_when_expired=True)},
    "/unauthorized/status": {"GET": Route(unauthorized_status, public=True)},
    "/system/device/status": {"GET": Route(device_status, open_when_expired=True)},
    "/system/config/general": {"GET": Route(general, open_when_expired=True)},
    "/system/device/packages/status": {"GET": Route(empty, open_when_expired=True)},
    "/ui/config/menu": {"GET": Route(empty, open_when_expired=True)},
    "/users/acls/options": {"GET": Route(empty, open_when_expired=True)},
    "/users/config": {"GET": Route(list_users)},
    "/users/config/{id}": {"PUT": Route(change_user)},
    "/password_policy/config": {
        "GET": Route(get_policy, since=11, open_when_expired=True),
        "PUT": Route(set_policy, since=11, open_when_expired=True),
    },
    "/password_policy/config/general": {"PUT": Route(set_policy, since=11, open_when_expired=True)},
    "/system/actions/change_password_firstlogin": {"POST": Route(change_first_login, since=6, open_when_expired=True)},
    "/bulk": {"POST": Route(bulk)},
}


def plain_path(path: str) -> str:
    """/api/v1/login and /api/login are the same."""
    return re.sub(r"^/api(/v\d+)?(?=/|$)", "", path)


def methods_of(path: str) -> dict[str, Route]:
    known = ROUTES.get(path)
    if known is None and re.fullmatch(r"/users/config/[^/]+", path):
        return ROUTES["/users/config/{id}"]
    return known or {}


def require_session(router: Router, caller: Caller) -> Session:
    if not caller.token:
        raise Refusal(401, error(121, "Missing bearer token", "Authorization"))
    session = router.session(caller.token, "api")
    if session is None:
        raise Refusal(401, error(123, "Expired bearer token", "Authorization"))
    return session


def require_fresh_password(router: Router, user: User, route: Route) -> None:
    """Past its lifetime (07.15 and later) a password opens little more than its own change."""
    is_open = route.open_when_expired or (route.handler is log_out and not router.switches.expired_blocks_logout)
    if is_open:
        return
    where = "use /system/actions/change_password_firstlogin"
    if router.firmware.enforces_expiry and router.is_expired(user):
        raise Refusal(403, error(124, f"Password has expired, {where}", "Authorization"))
    if router.switches.enforce_first_login and router.first_login:
        raise Refusal(403, error(125, f"First login password change is required, {where}", "Authorization"))


async def answer_api(router: Router, call: Call, caller: Caller) -> Answer:
    try:
        path = plain_path(call.path)
        methods = methods_of(path)
        route = methods.get(call.method)
        if route is not None and route.public:
            return await route.handler(Context(router, call, caller, path))
        if path == "/login":
            raise Refusal(501, error(122, "Method is not implemented", "Request"))
        session = require_session(router, caller)
        call.note["user"] = session.user
        if not any(router.firmware.since(one.since) for one in methods.values()):
            raise not_found()
        if route is None:
            raise Refusal(501, error(122, "Method is not implemented", "Request"))
        require_fresh_password(router, router.users[session.user], route)
        return await route.handler(Context(router, call, caller, path, session))
    except Refusal as refusal:
        return refusal.answer


def answer_ubus(router: Router, call: Call, source: str) -> Answer:
    """JSON-RPC of OpenWrt: session login and destroy, rpc-sys password_set."""
    try:
        request = call.json()
        number = request["id"]
        token, service, method, arguments = request["params"]
        arguments = dict(arguments)
    except (ValueError, KeyError, TypeError):
        return Answer(200, {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}})

    def result(*members: Any) -> Answer:
        return Answer(200, {"jsonrpc": "2.0", "id": number, "result": list(members)})

    if (service, method) == ("session", "login"):
        name, password = arguments.get("username"), arguments.get("password")
        if router.is_blocked(source) or not router.log_in(str(name), str(password), source):
            return result(6)
        session = router.open_session(str(name), "ubus")
        timeout = router.switches.session_timeout
        return result(0, {"ubus_rpc_session": session.token, "timeout": timeout, "expires": timeout - 1})
    found = router.session(str(token), "ubus")
    if found is None:
        return Answer(200, {"jsonrpc": "2.0", "id": number, "error": {"code": -32002, "message": "Access denied"}})
    if (service, method) == ("session", "destroy"):
        router.sessions.pop(found.token, None)
        return result(0)
    if (service, method) == ("rpc-sys", "password_set"):
        return result(*ubus_password_set(router, arguments, source))
    return result(3)


def ubus_password_set(router: Router, arguments: dict[str, Any], source: str) -> tuple[Any, ...]:
    """One account only, no current password asked: root and admin part unless both are set."""
    name, password = str(arguments.get("user")), str(arguments.get("password"))
    uses_chpasswd = router.firmware.since(20)
    if router.account_password(name) is None:
        return (0, {"res": "1"}) if uses_chpasswd else (4,)
    if not router.firmware.ubus_bypasses_policy and not router.meets_policy(password):
        return (0,) if router.switches.ubus_refusal == "silent" else (9,)
    router.store(name, password, "ubus", source)
    if not router.switches.external_change_keeps_sessions:
        router.end_sessions_of(name)
    return (0, {"res": "0"}) if uses_chpasswd else (0,)


def offers_ubus(router: Router) -> bool:
    position = router.switches.ubus
    return router.firmware.ubus_by_default if position == "firmware" else position == "on"


async def answer(router: Router, call: Call, caller: Caller) -> Answer:
    """The web server: /api, /ubus, and the WebUI's page."""
    if len(call.raw) > BIGGEST_BODY:
        return Answer(413, {"success": False, "errors": [error(150, "Request body is too big", "Request")]})
    if call.path.startswith("/api/") and router.switches.api:
        return await answer_api(router, call, caller)
    if call.path == "/ubus" and call.method == "POST" and offers_ubus(router):
        return answer_ubus(router, call, caller.source)
    return page(200, router.name) if call.path == "/" and call.method == "GET" else page(404, "Not Found")

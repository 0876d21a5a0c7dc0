# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the pages say, in words of our own under the keys of the vendor's string table (facts: Yeastar 3.4 to 3.7, observed)."""

from __future__ import annotations

from typing import Any

# key -> (English, Chinese)
TEXTS: dict[str, tuple[str, str]] = {
    "login.findpass": ("Find password", "找回密码"),
    "login.forget": ("Forget Password?", "忘记密码?"),
    "login.login": ("Login", "登录"),
    "login.username": ("Username", "用户名"),
    "login.password": ("Password", "密码"),
    "login.email": ("Email Address", "邮箱地址"),
    "login.send": ("Send", "发送"),
    "login.loginerror": ("Username or password is wrong.", "用户名或密码错误。"),
    "login.loginfiveerror": ("Too many failed logins. Please try again in {n} minutes.", "登录失败次数过多, 请在 {n} 分钟后重试。"),
    "login.loginlocked": ("This account is locked. Please contact the administrator.", "帐号已锁定, 请联系管理员。"),
    "login.loginiplocked": ("This IP address is blocked. Please contact the administrator.", "IP 已被阻止, 请联系管理员。"),
    "login.findpassfiveerror": ("Five failed tries. Please wait 10 minutes.", "失败五次, 请等待 10 分钟。"),
    "login.newpwd": ("New Password", "新密码"),
    "login.repeatnewpwd": ("Retype New Password", "重复新密码"),
    "login.timeout": ("The session has timed out.", "登录超时。"),
    "cp.common.save": ("Save", "保存"),
    "cp.common.cancel": ("Cancel", "取消"),
    "cp.common.test": ("Test", "测试"),
    "cp.common.apply": ("Apply", "应用"),
    "cp.common.mysettings": ("My Settings", "我的设置"),
    "cp.common.logout": ("Logout", "注销"),
    "cp.common.mainmenu": ("Main Menu", "主菜单"),
    "cp.common.settings": ("Settings", "设置"),
    "cp.common.oldpwd": ("Old Password", "旧密码"),
    "cp.common.changepwd": ("Change the password", "修改密码"),
    "cp.common.bindemail": ("Binding Email Settings", "绑定邮箱设置"),
    "cp.common.tipemail": ("No e-mail address is bound yet.", "尚未绑定邮箱。"),
    "cp.common.tippwd": ("The password is weak.", "密码强度太弱。"),
    "cp.alert.savesuccess": ("Saved.", "保存成功。"),
    "cp.alert.findpasssuccess": ("The mail has been sent. Reset the password within 30 minutes.", "邮件已发送, 请在 30 分钟内重置密码。"),
    "cp.alert.emailnotexist": ("No e-mail address is bound to this user. Please turn to the administrator.", "该用户未绑定邮箱。"),
    "cp.alert.usernotexist": ("There is no such user.", "用户不存在。"),
    "cp.alert.findpassfailed": ("The mail could not be sent.", "邮件发送失败。"),
    "cp.alert.findpasserror": ("The user name or the e-mail address is wrong.", "用户名或邮箱错误。"),
    "cp.alert.pwdunmatch": ("The two passwords differ.", "两次输入的密码不一致。"),
    "cp.alert.modifypasssuccess": ("Done. Please log in with the new password.", "修改成功, 请用新密码登录。"),
    "cp.alert.modifypassfailed": ("Unknown user, or a link that is not valid.", "用户不存在或链接无效。"),
    "cp.alert.invalidurl": ("This link has expired. Please request a new one.", "链接已过期, 请重新申请。"),
    "cp.alert.modifypasserror": ("The password could not be reset.", "重置密码失败。"),
    "cp.alert.oldpwdunmatch": ("The old password is wrong.", "旧密码错误。"),
    "cp.alert.oldnewpwdsame": ("The new password is the old one.", "新密码不能与旧密码相同。"),
    "cp.alert.testsuccess": ("The test has succeeded.", "测试成功。"),
    "cp.alert.ssmtpfailed": ("The SMTP test has failed.", "SMTP 测试失败。"),
    "cp.alert.pop3failed": ("The POP3 test has failed.", "POP3 测试失败。"),
    "cp.alert.testfail": ("The test has failed.", "测试失败。"),
    "cp.alert.suretoreset": ("Everything will be erased.", "所有配置将被清除。"),
    "cp.valid.newpwddefault": ("The new password is the default one.", "新密码不能为默认密码。"),
    "cp.valid.invalidpwdconfig": ("The password is too weak, or holds a character that is not allowed.", "密码强度不足或包含非法字符。"),
    "cp.valid.invalidemailpwd": ("The e-mail password holds a character that is not allowed.", "邮箱密码包含非法字符。"),
    "cp.email.email": ("Email Address", "邮箱地址"),
    "cp.email.secret": ("Password", "密码"),
    "cp.email.sender": ("Sender Name", "发件人"),
    "cp.email.smtp": ("SMTP Server", "发件服务器"),
    "cp.email.pop3": ("POP3 Server", "收件服务器"),
    "cp.email.port": ("Port", "端口"),
    "cp.email.auth": ("SMTP Authentication", "SMTP 认证"),
    "cp.email.tls": ("Enable TLS", "启用 TLS"),
    "cp.service.weak": ("Allow Weak Password", "允许弱密码"),
    "cp.privacy.title": ("Privacy Policy", "隐私政策"),
}


def table(language: str) -> dict[str, Any]:
    """The string table as the pages hold it: nested by the parts of the keys."""
    nested: dict[str, Any] = {}
    for key, texts in TEXTS.items():
        *parts, last = key.split(".")
        place = nested
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = texts[1 if language == "zh" else 0]
    return nested


def text(key: str, language: str) -> str:
    """One text."""
    return TEXTS[key][1 if language == "zh" else 0]

# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The profiles that come with the collection, in the form in which an owner writes one (C(profiles.py) says what may stand there).

Component ids and the keys of texts are observed in vendor UI test material of 2017 to 2021 and in the UI's own strings of S-Series
30.7.0.11; labels are documented where the vendor's articles name them. Patterns stand in where a page shows no string table; they
are words of ours, hence assumed.
"""

from __future__ import annotations

S_SERIES = r"""
format: 1
name: s-series
products: [S20, S50, S100, S300, S412, K2, Cloud]
firmware: "30, 65, 80 and 81"
recorded: "2026-11-01"
source: vendor UI test material of 2017 to 2021, UI strings of 30.7.0.11, vendor articles; not captured from a device

elements:
  login_username: {id: login-username, grade: observed}
  login_password: {id: login-password, grade: observed}
  login_button: {id: login-btn, grade: observed}
  forgot_link: {css: .css-login-forgetpass, grade: observed}
  forgot_window: {id: login-forgetpass, grade: observed}
  forgot_username: {id: login-findpassuser, grade: observed}
  forgot_email: {id: login-findpassemail, grade: assumed}
  forgot_send:
    - {id: send, grade: observed}
    - {text: send, inside: forgot_window, grade: assumed}
  message_box: {css: .x-message-box, grade: observed}
  message_ok: {text: ok, inside: message_box, grade: assumed}
  privacy_save: {id: pp-save, grade: observed}
  main_menu:
    - {css: .css_mainmenu, grade: assumed}
    - {text: main_menu, grade: assumed}
  settings: {text: settings, grade: documented}
  email_tile: {id: menuemail, grade: observed}
  email_window: {css: "[id^=emailsettings]", grade: observed}
  email_address: {id: st-email-email, grade: observed}
  email_password: {id: st-email-secret, grade: observed}
  email_smtp_host: {id: st-email-smtpserver, grade: observed}
  email_smtp_port: {id: st-email-port, grade: observed}
  email_pop3_host: {id: st-email-pop3server, grade: observed}
  email_pop3_port: {id: st-email-pop3port, grade: observed}
  email_tls: {id: st-email-usessl, grade: observed}
  email_test: {text: test, inside: email_window, grade: observed}
  email_save: {text: save, inside: email_window, grade: observed}
  email_cancel: {text: cancel, inside: email_window, grade: observed}
  apply:
    - {id: taskbarapply, grade: observed}
    - {css: "[class^=css_apply]", grade: observed}
  security_tile: {text: security, grade: documented}
  service_tab: {text: service, grade: observed}
  weak_password: {id: st-service-enableweakpwd, grade: observed}
  person:
    - {css: .css_person, grade: assumed}
  my_settings: {text: my_settings, grade: documented}
  logout: {text: logout, grade: assumed}

labels:
  old_password: {keys: [l.cp.common.oldpwd], words: ["Old Password", "旧密码"], grade: documented}
  new_password: {keys: [l.login.newpwd], words: ["New Password", "新密码"], grade: documented}
  retype_password: {keys: [l.login.repeatnewpwd], words: ["Retype New Password", "重复新密码"], grade: documented}
  bound_email: {keys: [l.login.email], words: ["Email Address", "邮箱地址"], grade: documented}
  sender_name: {keys: [l.cp.email.sender], words: ["Sender Name", "发件人"], grade: observed}
  save: {keys: [l.cp.common.save], words: ["Save", "保存"], grade: documented}
  ok: {keys: [], words: [OK, "确定"], grade: assumed}
  cancel: {keys: [l.cp.common.cancel], words: ["Cancel", "取消"], grade: observed}
  send: {keys: [], words: ["Send", "发送"], grade: observed}
  test: {keys: [l.cp.common.test], words: ["Test", "测试"], grade: observed}
  main_menu: {keys: [], words: ["Main Menu", "主菜单"], grade: observed}
  settings: {keys: [], words: ["Settings", "设置"], grade: documented}
  security: {keys: [], words: ["Security", "安全"], grade: documented}
  service: {keys: [], words: ["Service", "服务"], grade: observed}
  my_settings: {keys: [], words: ["My Settings", "我的设置"], grade: documented}
  logout: {keys: [], words: ["Logout", "Log Out", "注销"], grade: assumed}

messages:
  login_refused:
    {keys: [l.login.loginerror], patterns: ["password is (wrong|incorrect)", "wrong (user|password)", "密码错误"], grade: assumed}
  login_locked: {keys: [l.login.loginfiveerror], patterns: ["try again (in|after) \\d+ min", "\\d+ 分钟后"], grade: observed}
  account_locked: {keys: [l.login.loginlocked], patterns: ["account .*locked", "锁定"], grade: observed}
  address_blocked: {keys: [l.login.loginiplocked], patterns: ["IP .*blocked", "IP .*阻止"], grade: observed}
  session_over: {keys: [l.login.timeout], patterns: ["timed out", "login timeout", "超时"], grade: assumed}
  mail_sent: {keys: [l.cp.alert.findpasssuccess], patterns: ["mail has been sent", "within 30 minutes", "已发送"], grade: observed}
  no_bound_email: {keys: [l.cp.alert.emailnotexist], patterns: ["no e-?mail .*bound", "未绑定邮箱"], grade: observed}
  unknown_user: {keys: [l.cp.alert.usernotexist], patterns: ["no such user", "user .*not exist", "用户不存在。"], grade: observed}
  unknown_user_or_email:
    {keys: [l.cp.alert.findpasserror], patterns: ["user ?name or .*e-?mail .*wrong", "用户名或邮箱错误"], grade: observed}
  send_failed: {keys: [l.cp.alert.findpassfailed], patterns: ["mail could not be sent", "failed to send", "发送失败"], grade: observed}
  forgot_locked: {keys: [l.login.findpassfiveerror], patterns: ["wait \\d+ minutes", "等待 \\d+ 分钟"], grade: observed}
  reset_done: {keys: [l.cp.alert.modifypasssuccess], patterns: ["log in with the new password", "修改成功"], grade: observed}
  link_unknown: {keys: [l.cp.alert.modifypassfailed], patterns: ["link that is not valid", "链接无效"], grade: observed}
  link_expired: {keys: [l.cp.alert.invalidurl], patterns: ["link has expired", "链接已过期"], grade: observed}
  reset_failed: {keys: [l.cp.alert.modifypasserror], patterns: ["could not be reset", "重置密码失败"], grade: observed}
  mismatch: {keys: [l.cp.alert.pwdunmatch], patterns: ["passwords differ", "do not match", "不一致"], grade: observed}
  old_password_wrong: {keys: [l.cp.alert.oldpwdunmatch], patterns: ["old password is (wrong|incorrect)", "旧密码错误"], grade: observed}
  same_password: {keys: [l.cp.alert.oldnewpwdsame], patterns: ["new password is the old one", "与旧密码相同"], grade: observed}
  default_password: {keys: [l.cp.valid.newpwddefault], patterns: ["the default one", "默认密码"], grade: observed}
  rule: {keys: [l.cp.valid.invalidpwdconfig], patterns: ["password is too weak", "密码强度不足"], grade: observed}
  email_password_refused: {keys: [l.cp.valid.invalidemailpwd], patterns: ["e-mail password holds", "邮箱密码包含"], grade: observed}
  saved: {keys: [l.cp.alert.savesuccess], patterns: ["^Saved", "保存成功"], grade: assumed}
  test_ok: {keys: [l.cp.alert.testsuccess], patterns: ["test has succeeded", "test succe", "测试成功"], grade: observed}
  smtp_failed: {keys: [l.cp.alert.ssmtpfailed], patterns: ["SMTP .*failed", "SMTP .*失败"], grade: observed}
  pop3_failed: {keys: [l.cp.alert.pop3failed], patterns: ["POP3 .*failed", "POP3 .*失败"], grade: observed}
  test_failed: {keys: [l.cp.alert.testfail], patterns: ["test has failed", "测试失败"], grade: observed}

# Result codes in what the pages' scripts are answered (XML element or JSON member "result").
results:
  login: {refused: ["-1"], locked: ["-2"], grade: observed}
  forgot: {mail_sent: ["1"], no_bound_email: ["-1"], unknown_user: ["-2"], grade: observed}
"""

SHIPPED: dict[str, str] = {"s-series": S_SERIES}

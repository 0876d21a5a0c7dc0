// Copyright (c) 2026, keyturn.devices contributors
// GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The page that a mailed link opens, as the framework makes it. Its labels are observed, its ids are not known.
Ext.onReady(function () {
    var token = new URLSearchParams(location.search).get('token');
    var first = password('login.newpwd'), second = password('login.repeatnewpwd');
    var keys = {done: 'cp.alert.modifypasssuccess', expired: 'cp.alert.invalidurl', unknown: 'cp.alert.modifypassfailed',
        differ: 'cp.alert.pwdunmatch', refused: 'cp.valid.invalidpwdconfig', failed: 'cp.alert.modifypasserror'};

    function save() {
        var fields = panel.query('textfield');
        ask('resetpass', {token: token, newpassword: fields[0].getValue(), repeat: fields[1].getValue()}, function (answer) {
            Ext.Msg.alert('', said(keys[answer.result]), function () {
                if (answer.result === 'done') { location.href = '/login.html'; }
            });
        });
    }

    var panel = Ext.create('Ext.panel.Panel', {
        title: CONFIG.name, width: 480, bodyPadding: 10, items: [first, second],
        buttons: [{text: said('cp.common.save'), handler: save}]
    });
    ask('resetpass', {token: token, check: 1}, function (answer) {
        if (answer.result === 'valid') {
            panel.render(Ext.getBody());
        } else {
            Ext.Msg.alert('', said(keys[answer.result]));
        }
    });
});

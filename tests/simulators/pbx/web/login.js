// Copyright (c) 2026, keyturn.devices contributors
// GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The login page and its Find Password dialog, by the component ids of the fact sheet (3.2, observed).
Ext.onReady(function () {
    function tell(id, text) { Ext.getCmp(id).setText(text); }

    function login() {
        ask('login', {
            username: Ext.getCmp('login-username').getValue(),
            password: md5(Ext.getCmp('login-password').getValue())
        }, function (answer) {
            var result = Number(answer.result);
            if (result === -1) {
                tell('login-result', said('login.loginerror'));
            } else if (result === -2) {
                tell('login-result', said('login.' + (answer.why || 'loginfiveerror'), {n: answer.minutes}));
            } else {
                location.href = '/index.html';
            }
        });
    }

    function find() {
        var keys = {'1': 'cp.alert.findpasssuccess', '-1': 'cp.alert.emailnotexist', '-2': 'cp.alert.usernotexist',
            '-3': 'cp.alert.findpasserror', '-5': 'login.findpassfiveerror'};
        var email = Ext.getCmp('login-findpassemail');
        ask('findpass', {
            username: Ext.getCmp('login-findpassuser').getValue(),
            email: email ? email.getValue() : ''
        }, function (answer) {
            var result = String(answer.result), text = said(keys[result] || 'cp.alert.findpassfailed');
            if (result === '1') {
                Ext.getCmp('login-forgetpass').close();
                Ext.Msg.alert('', text);
            } else {
                tell('login-findpass-result', text);
            }
        });
    }

    function forget() {
        var items = [field('login.username', {id: 'login-findpassuser', name: 'findpassuser'})];
        if (CONFIG.dialog === 'user_and_email') { items.push(field('login.email', {id: 'login-findpassemail'})); }
        items.push({xtype: 'label', id: 'login-findpass-result'});
        Ext.create('Ext.window.Window', {
            id: 'login-forgetpass', title: said('login.findpass'), modal: true, bodyPadding: 10, items: items,
            buttons: [
                {id: 'send', text: said('login.send'), handler: find},
                {id: 'cancel', text: said('cp.common.cancel'), handler: function () { Ext.getCmp('login-forgetpass').close(); }}
            ]
        }).show();
    }

    Ext.create('Ext.panel.Panel', {
        renderTo: Ext.getBody(), title: CONFIG.name, width: 480, bodyPadding: 10,
        items: [
            field('login.username', {id: 'login-username'}),
            password('login.password', {id: 'login-password'}),
            {xtype: 'combobox', id: 'login-language', store: ['English', '中文'], value: 'English'},
            {xtype: 'button', id: 'login-btn', text: said('login.login'), handler: login},
            {xtype: 'label', id: 'login-result'},
            {xtype: 'component', html: '<a class="css-login-forgetpass" href="javascript:void(0)">' + said('login.forget') + '</a>',
                listeners: {click: forget, element: 'el', delegate: 'a'}}
        ]
    });
});

// Copyright (c) 2026, keyturn.devices contributors
// GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// The desktop after a login. Component ids are those of the fact sheet (3.2, observed); what has none there has none here,
// but for the main menu's and the person icon's classes, which are assumed.
Ext.onReady(function () {
    function message(key) { Ext.Msg.alert('', said(key)); }

    function show(id, make) {
        var there = Ext.getCmp(id) || Ext.create('Ext.window.Window', Ext.apply({id: id, bodyPadding: 10, constrain: true}, make()));
        there.show();
        return there;
    }

    // Apply appears after something was saved.
    function saved() {
        if (CONFIG.applyLink) {
            if (!Ext.query('.css_apply_link').length) {
                Ext.getBody().createChild({tag: 'a', cls: 'css_apply_link', href: 'javascript:void(0)', html: said('cp.common.apply'),
                    style: 'position:absolute;top:4px;right:200px;z-index:90000'}).on('click', apply);
            }
        } else {
            Ext.getCmp('taskbarapply').show();
        }
    }

    function apply() {
        ask('apply', {}, function () {
            if (CONFIG.applyLink) { Ext.fly(Ext.query('.css_apply_link')[0]).destroy(); } else { Ext.getCmp('taskbarapply').hide(); }
        });
    }

    // Passwords

    function change(values, window) {
        ask('mysettings', values, function (answer) {
            if (answer.result === 'ok') {
                Ext.Msg.alert('', said(answer.changed ? 'cp.alert.modifypasssuccess' : 'cp.alert.savesuccess'), function () {
                    if (answer.changed) { location.href = '/login.html'; }
                });
                if (window) { window.close(); }
            } else {
                message(answer.result);
            }
        });
    }

    function forcedChange() {
        var names = ['old', 'new', 'repeat'];
        var window = show('ext-forced', function () {
            return {
                title: said('cp.common.changepwd'), modal: true, closable: false,
                items: [{xtype: 'label', text: said('cp.common.tippwd')}, password('cp.common.oldpwd'), password('login.newpwd'),
                    password('login.repeatnewpwd')],
                buttons: [{text: said('cp.common.save'), handler: function () {
                    var values = {};
                    window.query('textfield').forEach(function (each, number) { values[names[number]] = each.getValue(); });
                    change(values);
                }}]
            };
        });
    }

    function mySettings() {
        ask('readmysettings', {}, function (current) {
            var window, names = ['old', 'new', 'repeat', 'email'];
            function values() {
                var inputs = CONFIG.mySettings === 'html' ? window.getEl().query('form input[name]') : null, found = {};
                names.forEach(function (name, number) {
                    found[name] = inputs ? inputs[number].value : window.query('textfield')[number].getValue();
                });
                return found;
            }
            function row(key, name, kind, value) {
                return '<tr><td>' + said(key) + ':</td><td><input name="' + name + '" type="' + kind + '" maxlength="' + CONFIG.maxLength +
                    '" value="' + Ext.String.htmlEncode(value || '') + '"></td></tr>';
            }
            window = show('ext-mysettings', function () {
                var items = [password('cp.common.oldpwd'), password('login.newpwd'), password('login.repeatnewpwd'),
                    {xtype: 'fieldset', title: said('cp.common.bindemail'), items: [field('login.email', {value: current.email})]}];
                if (CONFIG.mySettings === 'html') {
                    items = [{xtype: 'component', html: '<form onsubmit="return false"><table>' + row('cp.common.oldpwd', 'old', 'password') +
                        row('login.newpwd', 'new', 'password') + row('login.repeatnewpwd', 'repeat', 'password') +
                        row('login.email', 'email', 'text', current.email) + '</table></form>'}];
                }
                if (CONFIG.nagEmail) { items.push({xtype: 'label', text: said('cp.common.tipemail')}); }
                if (CONFIG.nagPassword) { items.push({xtype: 'label', text: said('cp.common.tippwd')}); }
                return {
                    title: said('cp.common.mysettings'), items: items,
                    buttons: [
                        {text: said('cp.common.save'), handler: function () { change(values(), window); }},
                        {text: said('cp.common.cancel'), handler: function () { window.close(); }}
                    ]
                };
            });
        });
    }

    // E-mail

    function email() {
        ask('reademail', {}, function (answer) {
            var current = answer.email;
            function value(id) { return Ext.getCmp(id).getValue(); }
            function values() {
                return {
                    address: value('st-email-email'), password: value('st-email-secret'), sender: window.down('[senderName]').getValue(),
                    smtp_host: value('st-email-smtpserver'), smtp_port: value('st-email-port'), pop3_host: value('st-email-pop3server'),
                    pop3_port: value('st-email-pop3port'), auth: value('st-email-needauth'), tls: value('st-email-usessl')
                };
            }
            var window = show('emailsettings-window', function () {
                return {
                    title: 'Email',
                    items: [
                        field('cp.email.email', {id: 'st-email-email', value: current.address}),
                        password('cp.email.secret', {id: 'st-email-secret'}),
                        field('cp.email.sender', {senderName: true, value: current.sender}),
                        field('cp.email.smtp', {id: 'st-email-smtpserver', value: current.smtp_host}),
                        field('cp.email.port', {id: 'st-email-port', value: current.smtp_port}),
                        field('cp.email.pop3', {id: 'st-email-pop3server', value: current.pop3_host}),
                        field('cp.email.port', {id: 'st-email-pop3port', value: current.pop3_port}),
                        field('cp.email.auth', {id: 'st-email-needauth', xtype: 'combobox', store: ['same', 'custom', 'none'], value: current.auth}),
                        {xtype: 'checkbox', id: 'st-email-usessl', fieldLabel: said('cp.email.tls'), checked: current.tls}
                    ],
                    buttons: [
                        {text: said('cp.common.test'), handler: function () {
                            ask('testemail', values(), function (result) { message(result.result); });
                        }},
                        {text: said('cp.common.save'), handler: function () {
                            ask('saveemail', values(), function (result) {
                                if (result.result !== 'ok') { message(result.result); return; }
                                window.close();
                                saved();
                                message('cp.alert.savesuccess');
                            });
                        }},
                        {text: said('cp.common.cancel'), handler: function () { window.close(); }}
                    ]
                };
            });
        });
    }

    // Security, maintenance

    function security() {
        ask('readservice', {}, function (answer) {
            show('securitysettings', function () {
                return {title: 'Security', width: 500, items: [{xtype: 'tabpanel', height: 200, items: [
                    {title: 'Service', bodyPadding: 10, items: [
                        {xtype: 'checkbox', id: 'st-service-enableweakpwd', fieldLabel: said('cp.service.weak'), labelWidth: 200, checked: answer.weak}
                    ]},
                    {title: 'Blocked IP Address', id: 'blockedip', xtype: 'grid', columns: [{text: 'IP', dataIndex: 'ip'}],
                        store: {fields: ['ip'], data: []}, tbar: [{text: 'Delete'}]}
                ]}]};
            });
        });
    }

    function maintenance() {
        ask('factoryresetopened', {}, function (answer) {
            show('maintenance', function () {
                return {title: 'Reset', items: [
                    {xtype: 'label', id: 'mt-rr-resetcode', text: answer.code}, {xtype: 'textfield', id: 'mt-rr-code'},
                    {xtype: 'button', id: 'mt-rr-reset', text: 'Reset', handler: function () {
                        ask('factoryreset', {code: Ext.getCmp('mt-rr-code').getValue()}, Ext.emptyFn);
                    }}
                ]};
            });
        });
    }

    function settings() {
        show('ext-settings', function () {
            function tile(id, text, open) {
                return {xtype: 'component', id: id, html: text, padding: 8, style: 'cursor:pointer', listeners: {click: open, element: 'el'}};
            }
            return {title: said('cp.common.settings'), items: [tile('menuemail', 'Email', email), tile('menusecurity', 'Security', security)]};
        });
    }

    Ext.create('Ext.container.Viewport', {layout: 'border', items: [
        {region: 'center', html: CONFIG.name},
        {region: 'south', xtype: 'toolbar', id: 'taskbar', items: [
            {text: said('cp.common.mainmenu'), cls: 'css_mainmenu', menu: [
                {text: said('cp.common.settings'), handler: settings}, {text: 'Maintenance', handler: maintenance}]},
            '->',
            {id: 'taskbarapply', text: said('cp.common.apply'), hidden: true, handler: apply},
            {text: 'admin', cls: 'css_person', menu: [
                {text: said('cp.common.mysettings'), handler: mySettings},
                {text: said('cp.common.logout'), handler: function () { ask('logout', {}, function () { location.href = '/login.html'; }); }}]}
        ]}
    ]});

    function begin() {
        if (CONFIG.forced) { forcedChange(); } else if (CONFIG.mySettingsOpens) { mySettings(); }
    }

    if (CONFIG.privacyBox) {
        show('ext-privacy', function () {
            return {title: said('cp.privacy.title'), modal: true, closable: false,
                items: [{xtype: 'checkbox', id: 'pp-nevernotify', boxLabel: 'OK'}],
                buttons: [{id: 'pp-save', text: said('cp.common.save'), handler: function () {
                    Ext.getCmp('ext-privacy').close();
                    begin();
                }}]};
        });
    } else {
        begin();
    }
});

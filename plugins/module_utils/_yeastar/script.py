# Copyright (c) 2026, keyturn.devices contributors
# GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is run inside a page to look at it: JavaScript that finds elements, by component id, CSS, text or label, and changes nothing."""

from __future__ import annotations

_HELPERS = r"""
const shown = (element) => {
    if (!element || !element.getClientRects().length) { return false; }
    const style = getComputedStyle(element);
    return style.visibility !== 'hidden' && style.display !== 'none';
};
const plain = (text) => (text || '').replace(/[\s\u00a0]+/g, ' ').replace(/^[\s*]+|[\s:\uff1a*]+$/g, '').toLowerCase();
const component = (id) => {
    const made = window.Ext && window.Ext.getCmp ? window.Ext.getCmp(id) : null;
    const dom = (part) => part && (part.dom || part);
    return document.getElementById(id + '-inputEl') || (made && (dom(made.inputEl) || dom(made.el))) || document.getElementById(id);
};
const ownText = (element) => element.tagName === 'INPUT' ? element.value
    : Array.from(element.childNodes).filter((node) => node.nodeType === 3).map((node) => node.data).join(' ');
const pressable = 'a, button, span, div, td, li, label, input[type=submit], input[type=button]';
const byText = (scope, words) => Array.from(scope.querySelectorAll(pressable))
    .filter((element) => shown(element) && words.includes(plain(ownText(element))));
const located = (ways, scope) => {
    for (const way of ways) {
        const within = way.inside ? located(way.inside, document) : [scope || document];
        let found = [];
        for (const root of within) {
            if (way.by === 'id') { found = found.concat([component(way.value)]); }
            else if (way.by === 'css') { found = found.concat(Array.from(root.querySelectorAll(way.value))); }
            else { found = found.concat(byText(root, way.words)); }
        }
        found = found.filter(shown).filter((element, at, all) => all.indexOf(element) === at);
        // Of several that hold one another, the outermost.
        found = found.filter((element) => !found.some((other) => other !== element && other.contains(element)));
        if (found.length) { return found; }
    }
    return [];
};
const labelOf = (input) => {
    const texts = [];
    const named = input.id ? document.querySelectorAll('label[for="' + CSS.escape(input.id) + '"]') : [];
    texts.push(...Array.from(named).map((each) => each.innerText));
    if (input.closest('label')) { texts.push(input.closest('label').innerText); }
    texts.push(input.getAttribute('aria-label'), input.getAttribute('placeholder'));
    for (const id of (input.getAttribute('aria-labelledby') || '').split(' ')) {
        const other = id && document.getElementById(id);
        if (other) { texts.push(other.innerText); }
    }
    const cell = input.closest('td, dd');
    if (cell && cell.previousElementSibling) { texts.push(cell.previousElementSibling.innerText); }
    return plain(texts.find((text) => plain(text)) || '');
};
const inputs = () => Array.from(document.querySelectorAll('input:not([type]), input[type=text], input[type=email], input[type=password]'))
    .filter((input) => shown(input) && !input.disabled && !input.readOnly);
"""


def script(body: str) -> str:
    """A JavaScript function of one argument, with the helpers in its scope."""
    return f"(given) => {{ {_HELPERS} {body} }}"


#: C(given): ways -> the elements found; how many, or the first.
COUNT = script("return located(given).length;")
FIRST = script("return located(given)[0] || null;")
#: C(given): ways -> whether a check box is ticked.
TICKED = script(
    "const box = located(given)[0]; const made = box && window.Ext && Ext.getCmp(box.id.replace(/-inputEl$/, ''));"
    "return made && made.getValue ? !!made.getValue() : !!(box && box.checked);"
)
#: The visible fields: what kind, which label, how much may be typed (-1: any number of characters), and what a text field holds.
FIELDS = script(
    "return inputs().map((input) => ({kind: input.type, label: labelOf(input), most: input.maxLength,"
    " text: input.type === 'password' ? '' : input.value}));"
)
#: C(given): the place of a field in what FIELDS returned.
FIELD = script("return inputs()[given] || null;")
#: C(given): {field: place, words} -> the buttons with that text in the smallest part of the page that holds the field and one of them.
BUTTONS_BESIDE = script(
    "for (let part = inputs()[given.field]; part; part = part.parentElement) {"
    " const found = byText(part, given.words); if (found.length) { return found; } } return [];"
)
COUNT_BESIDE = BUTTONS_BESIDE.replace("return found;", "return found.length;").replace("return [];", "return 0;")
FIRST_BESIDE = BUTTONS_BESIDE.replace("return found;", "return found[0];").replace("return [];", "return null;")
VALUE = script("return inputs()[given].value;")
#: The lines that a person sees.
LINES = "() => document.body ? document.body.innerText.split('\\n').map((line) => line.trim()).filter(Boolean) : []"
#: C(given): keys -> the texts of the page's own string table, null for those it has not.
TEXTS = r"""(keys) => {
    const top = typeof l === 'undefined' ? undefined : l;
    return keys.map((key) => {
        const found = key.split('.').slice(1).reduce((place, part) => place === undefined || place === null ? undefined : place[part], top);
        return typeof found === 'string' ? found : null;
    });
}"""
#: Whether nothing is on its way.
QUIET = "() => document.readyState === 'complete' && !(window.Ext && Ext.Ajax && Ext.Ajax.isLoading && Ext.Ajax.isLoading())"
#: What a page is, for the message that it is not the one that was looked for.
LOOKS = (
    "() => ({title: document.title, framework: window.Ext && Ext.getVersion ? 'ExtJS ' + Ext.getVersion() : '',"
    " forms: document.forms.length, passwords: document.querySelectorAll('input[type=password]').length})"
)

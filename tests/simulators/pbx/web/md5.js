// Copyright (c) 2026, keyturn.devices contributors
// GNU General Public License v3.0 or later (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// MD5 as RFC 1321 describes it: browsers bring none, and the pages of the PBX hash what is typed with it.
function md5(text) {
    var bytes = unescape(encodeURIComponent(text)), words = [], length = bytes.length, i, j;
    for (i = 0; i < length; i++) { words[i >> 2] |= bytes.charCodeAt(i) << ((i % 4) * 8); }
    words[length >> 2] |= 0x80 << ((length % 4) * 8);
    var total = (((length + 8) >> 6) + 1) * 16;
    words[total - 2] = length * 8;
    var turns = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    var state = [0x67452301, 0xefcdab89 | 0, 0x98badcfe | 0, 0x10325476];
    for (i = 0; i < total; i += 16) {
        var a = state[0], b = state[1], c = state[2], d = state[3];
        for (j = 0; j < 64; j++) {
            var round = j >> 4, f, g;
            if (round === 0) { f = (b & c) | (~b & d); g = j; }
            else if (round === 1) { f = (d & b) | (~d & c); g = (5 * j + 1) % 16; }
            else if (round === 2) { f = b ^ c ^ d; g = (3 * j + 5) % 16; }
            else { f = c ^ (b | ~d); g = (7 * j) % 16; }
            var sum = (a + f + Math.floor(Math.abs(Math.sin(j + 1)) * 4294967296) + (words[i + g] | 0)) | 0;
            var turn = turns[round][j % 4];
            a = d; d = c; c = b;
            b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0;
        }
        state = [(state[0] + a) | 0, (state[1] + b) | 0, (state[2] + c) | 0, (state[3] + d) | 0];
    }
    return state.map(function (word) {
        var text = '';
        for (var k = 0; k < 4; k++) { text += ('0' + ((word >>> (k * 8)) & 255).toString(16)).slice(-2); }
        return text;
    }).join('');
}

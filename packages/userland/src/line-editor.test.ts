/**
 * line-editor.test.ts — keys in, lines out.
 */
import { expect, test } from 'vitest';
import { LineEditor } from './line-editor.js';

const WORDS = ['list', 'link', 'show', 'br0:', 'br1:'];
const editor = (): LineEditor => new LineEditor('+ ', (before) => (before.includes('x') ? [] : WORDS));

test.each([
  ['plain', 'list\r', 'list'],
  ['backspace', 'lisx\x7ft\r', 'list'],
  ['home and end', 'ist\x01l\x05 -n\r', 'list -n'],
  ['arrows', 'lit\x1b[Ds\r', 'list'],
  ['delete', 'xlist\x1b[H\x1b[3~\r', 'list'],
  ['erase a word', 'show br0:\x17br1:\r', 'show br1:'],
  ['kill to the end, clear', 'a b\x02\x02\x0b\x15list\r', 'list'],
  ['completed', 'sh\tbr0\t\r', 'show br0:'],
  ['as far as it is certain', 'li\ts\t\r', 'list '],
  ['letters of other alphabets', 'имя\x7f\r', 'им'],
])('%s', (_what, keys, line) => {
  expect(editor().feed(keys).lines).toEqual([line]);
});

test('remembers lines, each once', () => {
  const e = editor();
  e.feed('one\rtwo\rone\r');
  expect(e.feed('\x10\r').lines).toEqual(['one']);
  expect(e.feed('\x10\x10\r').lines).toEqual(['two']);
  expect(e.feed('\x10\x10\x0e\r').lines).toEqual(['two']);
  expect(e.feed('new\x10\x0e\r').lines).toEqual(['']);
});

test('shows what there is when nothing is certain, and writes the line anew', () => {
  expect(editor().feed('br\t\t').output).toBe('br\r\x1b[K+ br\nbr0:  br1:\n\r\x1b[K+ br'.replace('br\r\x1b[K+ br\n', 'br\nbr0:  br1:\n\r\x1b[K+ br\n'));
});

test('^D ends it on an empty line, and deletes in another', () => {
  const e = editor();
  expect(e.feed('ab\x01\x04').eof).toBe(false);
  expect(e.line).toBe('b');
  expect(e.feed('\x15\x04').eof).toBe(true);
});

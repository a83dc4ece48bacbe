/**
 * A list that follows what arrives and never grows past its bound.
 *
 * In: entries, a function that makes a row of one, an optional filter, a pause. Out: rows in a scrolling element, and
 * how many there are. Rows are written once a frame of the screen, so a busy channel cannot block the page.
 */

export const LIMIT = 500;

export class BoundedLog {
  /** `{ entry, row }`: the row is undefined until decided, then an element, or null where the filter said no. */
  #items = [];
  #total = 0;
  #scheduled = false;
  #paused = false;
  #filter = () => true;

  /** `onChange` gets `{ total, kept, shown }` after each write. */
  constructor(scroller, makeRow, onChange = () => {}) {
    this.scroller = scroller;
    this.list = scroller.querySelector('ol');
    this.makeRow = makeRow;
    this.onChange = onChange;
  }

  add(entry) {
    this.#total += 1;
    this.#items.push({ entry, row: undefined });
    if (this.#items.length > LIMIT) {
      const { row } = this.#items.shift();
      if (!this.#paused) row?.remove();
    }
    this.#schedule();
  }

  clear() {
    this.#items = [];
    this.#total = 0;
    this.#rebuild();
  }

  /** While paused entries are kept, within the bound, and the rows stay as they are. */
  set paused(paused) {
    this.#paused = paused;
    if (!paused) this.#rebuild();
  }

  get paused() {
    return this.#paused;
  }

  set filter(filter) {
    this.#filter = filter;
    this.#rebuild();
  }

  /** The entries on show, oldest first. */
  get shown() {
    return this.#items.filter(({ row }) => row).map(({ entry }) => entry);
  }

  #rebuild() {
    this.list.replaceChildren();
    for (const item of this.#items) item.row = undefined;
    this.#write();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      if (this.#paused) this.#report();
      else this.#write();
    });
  }

  #write() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const following = scrollHeight - scrollTop - clientHeight < 24;
    const rows = [];
    for (const item of this.#items) {
      if (item.row !== undefined) continue;
      item.row = this.#filter(item.entry) ? this.makeRow(item.entry) : null;
      if (item.row) rows.push(item.row);
    }
    this.list.append(...rows);
    if (following) this.scroller.scrollTop = this.scroller.scrollHeight;
    this.#report();
  }

  #report() {
    this.onChange({ total: this.#total, kept: this.#items.length, shown: this.list.children.length });
  }
}

/** One element with a class and text. Text only: nothing that came over the wire is ever read as markup. */
export function element(tag, className, text = '') {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}

/** `14:05:09.123`, local time. */
export function clock(date = new Date()) {
  const two = (number) => String(number).padStart(2, '0');
  const milliseconds = String(date.getMilliseconds()).padStart(3, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}

/** Whom a row is about. */
export function name(info) {
  return info?.user || 'anonymous';
}

/** The part of a browser's EventSource that the SDK uses, for a Node.js that has none. It does not come back by itself. */
export class EventSource {
  #abort = new AbortController();

  constructor(url) {
    this.#read(url).catch(() => {}).finally(() => {
      if (!this.#abort.signal.aborted) this.onerror?.({});
    });
  }

  close() {
    this.#abort.abort();
  }

  async #read(url) {
    const response = await fetch(url, { signal: this.#abort.signal, headers: { accept: 'text/event-stream' } });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    this.onopen?.({});
    let text = '';
    for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + piece).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        const lines = block.split('\n').filter((line) => line.startsWith('data: '));
        if (lines.length > 0) this.onmessage?.({ data: lines.map((line) => line.slice(6)).join('\n') });
      }
    }
  }
}

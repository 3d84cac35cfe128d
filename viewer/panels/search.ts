/** One field for everything: names, addresses, sheet/parcel numbers, ids; without diacritics as well. */
import { html, nothing } from 'lit'
import type { SearchResult } from '../core/api.js'
import { source } from '../core/source.js'
import { icons } from './icons.js'
import { Panel } from './panel.js'
import { goTo } from './go-to.js'

class Search extends Panel {
  private query = ''
  private results: readonly SearchResult[] | null = null
  private failed = false
  private active = 0
  private timer: ReturnType<typeof setTimeout> | undefined
  private abort = new AbortController()

  override render() {
    const open = this.query !== '' && (this.results !== null || this.failed)
    return html`
      <label class="field">${icons.search}
        <input type="search" role="combobox" aria-expanded=${open} aria-controls="search-results" aria-label=${this.t('search.label')} placeholder=${this.t('search.placeholder')}
          autocomplete="off" spellcheck="false" .value=${this.query} @input=${this.onInput} @keydown=${this.onKey}>
        ${this.query ? html`<button class="icon" aria-label=${this.t('search.clear')} @click=${this.clear}>${icons.close}</button>` : nothing}
      </label>
      ${open ? html`<ul class="results" id="search-results" role="listbox">${this.renderResults()}</ul>` : nothing}`
  }

  private renderResults() {
    if (this.failed) return html`<li class="empty">${this.t('search.failed')}</li>`
    if (!this.results?.length) return html`<li class="empty">${this.t('search.none', { q: this.query })}</li>`
    return this.results.map((result, i) => html`
      <li role="option" aria-selected=${i === this.active} @click=${() => this.choose(result)}>
        <b>${result.label}</b><span>${this.l(this.app.layer(result.layer)?.title)}${result.detail ? ` · ${result.detail}` : ''}</span></li>`)
  }

  private onInput(event: Event): void {
    this.query = (event.target as HTMLInputElement).value
    clearTimeout(this.timer)
    this.abort.abort()
    if (!this.query.trim()) { this.results = null; this.failed = false; return this.requestUpdate() }
    this.timer = setTimeout(() => void this.run(), 180)
    this.requestUpdate()
  }

  private async run(): Promise<void> {
    this.abort = new AbortController()
    try {
      this.results = await source().search(this.query.trim(), this.abort.signal)
      this.failed = false
      this.active = 0
    } catch (error) {
      if ((error as Error).name === 'AbortError') return
      this.failed = true
    }
    this.requestUpdate()
  }

  private onKey(event: KeyboardEvent): void {
    const count = this.results?.length ?? 0
    if (event.key === 'ArrowDown' && count) this.active = (this.active + 1) % count
    else if (event.key === 'ArrowUp' && count) this.active = (this.active + count - 1) % count
    else if (event.key === 'Enter' && this.results?.[this.active]) this.choose(this.results[this.active]!)
    else if (event.key === 'Escape') this.clear()
    else return
    event.preventDefault()
    this.requestUpdate()
  }

  private choose(result: SearchResult): void {
    this.results = null
    this.failed = false
    this.query = result.label
    goTo(this.app, result)
    this.requestUpdate()
  }

  private clear = (): void => {
    this.query = ''
    this.results = null
    this.failed = false
    this.requestUpdate()
    this.querySelector('input')?.focus()
  }
}
customElements.define('dothi-search', Search)

/** Files into the city: by a button or dropped anywhere; with progress, and what was turned away. */
import { html, nothing } from 'lit'
import { maySteward } from '../core/api.js'
import { source } from '../core/source.js'
import { icons } from './icons.js'
import { flyToBox } from './go-to.js'
import { Panel } from './panel.js'

class Import extends Panel {
  protected override readonly watches = ['import', 'city'] as const

  override render() {
    const may = maySteward(this.app.city!)
    return html`<h2>${this.t('import.title')}</h2>
      <div class="scroll">
        <p class="muted">${this.t(may ? 'import.lead' : 'import.mayNot')}</p>
        ${may ? html`<label class="drop-zone">${icons.upload}<b>${this.t('import.choose')}</b><small>${this.t('import.formats')}</small>
          <input type="file" multiple @change=${this.choose}></label>` : nothing}
        ${this.renderCurrent()}
      </div>`
  }

  private renderCurrent() {
    const { current } = this.app.imports
    if (!current) return nothing
    const { name, phase, progress, why, result, job } = current
    const p = Math.round(progress * 100)
    switch (phase) {
      case 'uploading': case 'working':
        return html`<div class="job" role="status"><p>${this.t(phase === 'uploading' ? 'import.uploading' : 'import.working', { name, p })}</p><progress max="100" .value=${p}></progress></div>`
      case 'failed': return html`<p class="warn" role="alert">${this.t('import.failed', { name, why })}</p>`
      case 'done': {
        const ids = Object.keys(result?.layers ?? {})
        const accepted = Object.values(result?.layers ?? {}).reduce((sum, n) => sum + n, 0)
        const rejected = result?.rejected ?? 0
        return html`<div class="found" role="status"><b>${this.t('import.done', { name })}</b>
          <small>${ids.length ? this.t('import.accepted', { n: this.n(accepted) }) : (result?.notes ?? []).join(' ')}${rejected ? ` · ${this.t('import.rejected', { n: this.n(rejected) })}` : ''}</small>
          <div class="actions">
            <button @click=${() => this.show(ids)}>${icons.fly}${this.t('import.show')}</button>
            ${rejected ? html`<a href=${source().server!.pages.rejects(job)} target="_blank" rel="noopener">${icons.link}${this.t('import.rejects')}</a>` : nothing}
          </div></div>`
      }
    }
  }

  private show(ids: readonly string[]): void {
    const bbox = this.app.city!.layers.find(({ id, bbox }) => ids.includes(id) && bbox)?.bbox
    this.app.store.update({ shown: { ...this.state.shown, ...Object.fromEntries(ids.map((id) => [id, true])) } })
    if (bbox) flyToBox(this.app, bbox)
  }

  private choose = (event: Event): void => {
    void this.app.imports.publish([...(event.target as HTMLInputElement).files ?? []])
  }
}
customElements.define('dothi-import', Import)

/** The whole page takes a dropped file. */
class Drop extends Panel {
  private over = false
  private depth = 0

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('dragenter', this.onEnter)
    addEventListener('dragleave', this.onLeave)
    addEventListener('dragover', this.onOver)
    addEventListener('drop', this.onDrop)
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    removeEventListener('dragenter', this.onEnter)
    removeEventListener('dragleave', this.onLeave)
    removeEventListener('dragover', this.onOver)
    removeEventListener('drop', this.onDrop)
  }

  override render() {
    const may = maySteward(this.app.city!)
    return this.over ? html`<div class="drop"><p>${icons.upload}${this.t(may ? 'import.drop' : 'import.mayNot')}</p></div>` : nothing
  }

  private onEnter = (event: DragEvent): void => { if (event.dataTransfer?.types.includes('Files')) { this.depth++; this.set(true) } }
  private onLeave = (): void => { if (this.depth && --this.depth === 0) this.set(false) }
  private onOver = (event: DragEvent): void => event.preventDefault()
  private onDrop = (event: DragEvent): void => {
    event.preventDefault()
    this.depth = 0
    this.set(false)
    const files = [...event.dataTransfer?.files ?? []]
    if (!files.length || !maySteward(this.app.city!)) return
    this.app.store.update({ panel: 'import' })
    void this.app.imports.publish(files)
  }

  private set(over: boolean): void {
    this.over = over
    this.requestUpdate()
  }
}
customElements.define('dothi-drop', Drop)

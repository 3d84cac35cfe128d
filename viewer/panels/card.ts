/** The record of what is selected: every attribute with its title, unit and meaning, and where it comes from. */
import { html, nothing } from 'lit'
import type { Column } from '../../layers/layer.js'
import { DEPTH_STEPS } from '../../layers/depth.js'
import type { ClientLayer, FeatureRecord } from '../core/api.js'
import { impactQuery } from '../core/building-style.js'
import { partsOf } from '../core/filter.js'
import { source } from '../core/source.js'
import type { AppState } from '../core/state.js'
import { dateTime, elapsed } from '../i18n/text.js'
import { icons } from './icons.js'
import { Panel } from './panel.js'
import { flyToBox } from './go-to.js'

/** Less is wet ground, no flood; metres. */
const FLOODED = DEPTH_STEPS[0]![0]

class Card extends Panel {
  protected override readonly watches = ['selection', 'pick', 'city', 'run', 'busy'] as const
  private record: FeatureRecord | null = null
  private failed = false
  private shownFor = ''
  /** Greatest depth in the run on screen, metres; null: not computed. */
  private flood: { readonly depth: number | null } | null = null
  private floodFor = ''
  private abort = new AbortController()

  override connectedCallback(): void {
    super.connectedCallback()
    void this.load()
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.abort.abort()
  }

  protected override changed(keys: ReadonlySet<keyof AppState>): void { if (keys.has('selection')) void this.load() }

  private async load(): Promise<void> {
    const { selection } = this.state
    const key = selection ? `${selection.layer}/${selection.id}` : ''
    if (!selection || key === this.shownFor) return
    this.shownFor = key
    this.record = null
    this.failed = false
    this.abort.abort()
    this.abort = new AbortController()
    this.requestUpdate()
    try {
      const record = await source().feature(selection.layer, selection.id, this.abort.signal)
      if (this.shownFor !== key) return
      this.record = record
      this.app.scene?.outline(selection.layer === 'buildings' ? null : partsOf(record.geometry))
    } catch (error) {
      if ((error as Error).name === 'AbortError') return
      this.failed = true
    }
    this.requestUpdate()
  }

  protected override updated(): void { void this.loadFlood() }

  override render() {
    const { selection } = this.state
    if (!selection) return nothing
    const { server } = source()
    const layer = this.app.layer(selection.layer)
    const picked = this.app.picked.find(({ layer, id }) => layer === selection.layer && id === selection.id)
    const properties = this.record?.properties ?? picked?.properties ?? {}
    const name = String(properties[layer?.label ?? ''] ?? properties.name ?? properties.code ?? '').trim()
    return html`
      <button class="icon close" aria-label=${this.t('rail.close')} @click=${() => this.app.store.update({ selection: null })}>${icons.close}</button>
      <p class="kicker">${this.l(layer?.title) || selection.layer}</p>
      <h2>${name || `${this.l(layer?.title)} ${selection.id}`}</h2>
      ${this.renderOthers()}
      <div class="scroll">
        ${this.renderFlood()}
        ${!this.record && !this.failed ? html`<p class="muted" role="status">${this.t('card.loading')}</p>` : nothing}
        ${this.failed ? html`<p class="warn">${this.t('card.failed')}</p>` : nothing}
        ${layer ? this.renderAttributes(layer, properties) : nothing}
        ${this.renderOrigin(properties, layer)}
      </div>
      <footer>
        <button @click=${this.fly}>${icons.fly}${this.t('card.fly')}</button>
        ${server ? html`<a href=${server.pages.item(selection.layer, selection.id)} target="_blank" rel="noopener">${icons.link}${this.t('card.ogc')}</a>` : nothing}
      </footer>`
  }

  private renderOthers() {
    const others = this.app.picked
    if (others.length < 2) return nothing
    const { selection } = this.state
    return html`<div class="chips" aria-label=${this.t('card.also')}>${others.slice(0, 6).map(({ layer, id }) => html`
      <button aria-pressed=${selection?.layer === layer && selection.id === id} @click=${() => this.app.store.update({ selection: { layer, id, ...(selection?.at ? { at: selection.at } : {}) } })}>
        ${this.l(this.app.layer(layer)?.title)}</button>`)}</div>`
  }

  /** What the table of its tile tells of a building; a tile that is still on its way is looked at again when something has come. */
  private async loadFlood(): Promise<void> {
    const { selection } = this.state
    const { manifest } = this.app.runs
    const key = selection?.layer === 'buildings' && manifest?.complete ? `${manifest.id}/${selection.id}` : ''
    if (key === this.floodFor) return
    this.floodFor = key
    this.flood = null
    const row = key ? await this.app.scene?.buildings.stateOf(selection!.id, impactQuery(manifest!.id)) : null
    if (this.floodFor !== key) return
    if (row) this.flood = { depth: typeof row.depth_max_m === 'number' ? row.depth_max_m : null }
    else this.floodFor = ''
    if (row) this.requestUpdate()
  }

  private renderFlood() {
    const { manifest } = this.app.runs
    if (!manifest || !this.flood) return nothing
    const { depth } = this.flood
    return html`<div class="flooded"><span>${this.t('card.flood')}</span>
      <b>${depth === null ? this.t('card.notComputed') : depth < FLOODED ? this.t('card.notFlooded') : `${this.n(depth, 2, true)} m`}</b><small>${this.l(manifest.label)}</small></div>`
  }

  private renderAttributes(layer: ClientLayer, properties: Readonly<Record<string, unknown>>) {
    const rows = layer.columns.filter(({ name }) => isSet(properties[name]))
    const height = Number(properties.height)
    const ground = Number(properties.ground_z)
    if (!rows.length && this.record) return html`<p class="muted">${this.t('card.noAttributes')}</p>`
    return html`<dl>
      ${rows.map((column) => html`<dt title=${this.l(column.description) || column.name}>${this.l(column.title)}</dt><dd>${this.value(column, properties[column.name])}</dd>`)}
      ${isSet(properties.height) && Number.isFinite(height) ? html`<dt>${this.t('card.height')}</dt><dd>${this.n(height, 1)}<small> m</small></dd>` : nothing}
      ${isSet(properties.ground_z) && Number.isFinite(ground) ? html`<dt title=${this.app.city!.city.verticalDatum}>${this.t('card.groundZ')}</dt><dd>${this.n(ground, 2)}<small> m</small></dd>` : nothing}
    </dl>`
  }

  private renderOrigin(properties: Readonly<Record<string, unknown>>, layer: ClientLayer | undefined) {
    const parts = [
      isSet(properties.source) ? [this.t('card.source'), String(properties.source)] : null,
      layer?.licence ? [this.t('card.licence'), layer.licence] : null,
      isSet(properties.revision) ? [this.t('card.revision'), String(properties.revision)] : null,
    ].filter((part) => part !== null)
    return parts.length ? html`<p class="origin">${parts.map(([title, value]) => html`<span>${title}: ${value}</span>`)}</p>` : nothing
  }

  private value(column: Column, value: unknown) {
    const code = column.codes?.[String(value)]
    if (code) return this.l(code)
    if (typeof value === 'boolean') return this.t(value ? 'card.yes' : 'card.no')
    if (column.unit === 's' && typeof value === 'number') return elapsed(this.state.language, value)
    if (typeof value === 'number') return html`${/year|nam_/.test(column.name) ? value : this.n(value, 2)}${column.unit ? html`<small> ${column.unit}</small>` : nothing}`
    if (column.type === 'timestamp') return dateTime(this.state.language, new Date(String(value)), this.app.city!.city.timeZone)
    if (typeof value === 'object') return JSON.stringify(value)
    return `${String(value)}${column.unit ? ` ${column.unit}` : ''}`
  }

  private fly = (): void => {
    const points = partsOf(this.record?.geometry).flat()
    const { selection } = this.state
    if (points.length) {
      const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)]
      flyToBox(this.app, [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)])
    } else if (selection?.at) {
      this.app.scene?.flyTo(selection.at[0], selection.at[1], { distance: 500 })
    }
  }
}

const isSet = (value: unknown) => value !== undefined && value !== null && value !== ''
customElements.define('dothi-card', Card)

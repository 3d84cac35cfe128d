/** The layers of the city with their legend, each on or off. */
import { html, nothing } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { Paint } from '../../layers/layer.js'
import type { ClientLayer } from '../core/api.js'
import type { App } from '../core/app.js'
import { isShown, mapLayers } from '../core/visibility.js'
import type { MessageKey } from '../i18n/text.js'
import { icons } from './icons.js'
import { Panel } from './panel.js'

class Layers extends Panel {
  protected override readonly watches = ['shown', 'underground', 'city'] as const
  private open = new Set<string>()
  private showEmpty = false

  override render() {
    const layers = mapLayers(this.app.city?.layers ?? [])
    const filled = layers.filter((layer) => layer.count !== 0)
    const listed = this.showEmpty ? layers : filled
    const groups = [...new Set(listed.map((layer) => layer.group))]
    const rest = layers.length - filled.length
    return html`<h2>${this.t('layers.title')}</h2>
      <div class="scroll">
        ${groups.map((group) => html`<h3>${this.t(`group.${group}` as MessageKey)}</h3>
          ${repeat(listed.filter((layer) => layer.group === group), ({ id }) => id, (layer) => this.renderLayer(layer))}`)}
        ${rest && !this.showEmpty ? html`<button class="quiet" @click=${() => { this.showEmpty = true; this.requestUpdate() }}>${this.t('layers.onlyMore', { n: rest })}</button>` : nothing}
      </div>`
  }

  private renderLayer(layer: ClientLayer) {
    const on = isShown(layer, this.state)
    const legend = legendOf(layer, this.l, this.t)
    const open = this.open.has(layer.id)
    const count = layer.count === undefined ? '' : layer.count ? this.n(layer.count) : this.t('layers.none')
    return html`<div class="layer" data-layer=${layer.id}>
      <label title=${this.l(layer.description)}>
        <input type="checkbox" role="switch" .checked=${on} @change=${() => this.toggle(layer, !on)}>
        ${swatch(layer)}
        <span class="name">${this.l(layer.title)}</span>
        <span class="count">${count}</span>
      </label>
      ${legend.length > 1 ? html`<button class="icon fold" aria-expanded=${open} aria-label=${this.l(layer.title)} @click=${() => this.fold(layer.id)}>${icons.chevron}</button>` : nothing}
      ${open ? html`<ul class="legend">${legend.map(({ colour, label }) => html`<li><i style="background:${colour}"></i>${label}</li>`)}</ul>` : nothing}
    </div>`
  }

  private toggle(layer: ClientLayer, on: boolean): void {
    this.app.store.update({ shown: { ...this.state.shown, [layer.id]: on } })
  }

  private fold(id: string): void {
    if (!this.open.delete(id)) this.open.add(id)
    this.requestUpdate()
  }
}

const paintOf = ({ style }: ClientLayer): Paint => style.fill ?? style.line ?? style.circle ?? '#8d8577'
const firstColour = (paint: Paint): string =>
  typeof paint === 'string' ? paint : 'categories' in paint ? Object.values(paint.categories)[0] ?? paint.other : paint.steps.at(-1)?.[1] ?? paint.below

function swatch(layer: ClientLayer) {
  const colour = firstColour(paintOf(layer))
  return html`<i class="swatch ${layer.geometry}" style="--c:${colour};--l:${layer.style.line ? firstColour(layer.style.line) : colour}"></i>`
}

function legendOf(layer: ClientLayer, l: App['l'], t: App['t']): { colour: string; label: string }[] {
  const paint = paintOf(layer)
  if (typeof paint === 'string') return []
  const column = layer.columns.find(({ name }) => name === paint.by)
  if ('categories' in paint) {
    return [...Object.entries(paint.categories).map(([code, colour]) => ({ colour, label: l(column?.codes?.[code]) || code })), { colour: paint.other, label: t('layers.other') }]
  }
  const unit = column?.unit ? ` ${column.unit}` : ''
  return [{ colour: paint.below, label: t('layers.below', { x: `${paint.steps[0]?.[0]}${unit}` }) },
    ...paint.steps.map(([from, colour]) => ({ colour, label: t('layers.from', { x: `${from}${unit}` }) }))]
}
customElements.define('dothi-layers', Layers)

/** A filter by attribute: rows of column, operator, value; the same AST goes to the server and to the address bar. */
import { html, nothing } from 'lit'
import type { Column } from '../../layers/layer.js'
import { UNKNOWN } from '../core/building-style.js'
import { conditionsOf, filterOf, operatorsOf, type Condition, type Operator } from '../core/conditions.js'
import { source } from '../core/source.js'
import { mapLayers } from '../core/visibility.js'
import { icons } from './icons.js'
import { Panel } from './panel.js'
import { flyToBox } from './go-to.js'

class FilterPanel extends Panel {
  protected override readonly watches = ['filter', 'city'] as const
  private layerId = 'buildings'
  private conditions: Condition[] = []

  override connectedCallback(): void {
    super.connectedCallback()
    const { filter } = this.state
    if (filter) {
      this.layerId = filter.layer
      this.conditions = [...conditionsOf(filter.where)]
    }
    if (!this.conditions.length) this.conditions = [this.blank()]
  }

  private get columns(): readonly Column[] {
    const layer = this.app.layer(this.layerId)
    return (layer?.columns ?? []).filter(({ type }) => type !== 'json')
  }

  private blank(): Condition {
    const column = this.columns.find(({ type }) => type === 'integer' || type === 'number') ?? this.columns[0]
    return { column: column?.name ?? '', operator: operatorsOf(column)[0]!, value: '' }
  }

  override render() {
    const layers = mapLayers(this.app.city?.layers ?? []).filter(({ count }) => count !== 0)
    const { filters } = this.app
    return html`<h2>${this.t('filter.title')}</h2>
      <form class="scroll" @submit=${this.apply}>
        <label class="row">${this.t('filter.layer')}
          <select @change=${this.chooseLayer}>${layers.map(({ id, title }) => html`<option value=${id} ?selected=${id === this.layerId}>${this.l(title)}</option>`)}</select></label>
        ${this.conditions.map((condition, i) => this.renderCondition(condition, i))}
        <button type="button" class="quiet" @click=${this.add}>${icons.plus}${this.t('filter.add')}</button>
        <div class="actions">
          <button class="primary" type="submit" ?disabled=${filters.working}>${this.t('filter.apply')}</button>
          ${this.state.filter ? html`<button type="button" @click=${() => this.app.store.update({ filter: null })}>${this.t('filter.clear')}</button>` : nothing}
        </div>
        ${this.renderResult()}
      </form>`
  }

  private renderCondition(condition: Condition, i: number) {
    const column = this.columns.find(({ name }) => name === condition.column)
    const set = (change: Partial<Condition>) => {
      this.conditions = this.conditions.map((old, j) => (i === j ? { ...old, ...change } : old))
      this.requestUpdate()
    }
    const operators = operatorsOf(column)
    return html`<div class="condition">
      <select aria-label=${this.t('filter.column')} @change=${(e: Event) => {
        const name = (e.target as HTMLSelectElement).value
        set({ column: name, operator: operatorsOf(this.columns.find((c) => c.name === name))[0]!, value: '' })
      }}>${this.columns.map(({ name, title }) => html`<option value=${name} ?selected=${name === condition.column}>${this.l(title)}</option>`)}</select>
      ${this.conditions.length > 1 ? html`<button type="button" class="icon" aria-label=${this.t('filter.remove')} @click=${() => { this.conditions = this.conditions.filter((_, j) => j !== i); this.requestUpdate() }}>${icons.close}</button>` : nothing}
      <select aria-label="=" class="operator" @change=${(e: Event) => set({ operator: (e.target as HTMLSelectElement).value as Operator })}>
        ${operators.map((operator) => html`<option value=${operator} ?selected=${operator === condition.operator}>${this.t(`op.${operator}`)}</option>`)}</select>
      ${condition.operator === 'isNull' ? nothing : this.renderValue(column, condition, set)}
    </div>`
  }

  private renderValue(column: Column | undefined, { value }: Condition, set: (change: Partial<Condition>) => void) {
    const onInput = (e: Event) => set({ value: (e.target as HTMLInputElement).value })
    const label = this.t('filter.value')
    if (column?.codes) {
      return html`<select aria-label=${label} @change=${onInput}><option value=""></option>${Object.entries(column.codes).map(([code, title]) => html`<option value=${code} ?selected=${code === value}>${this.l(title)}</option>`)}</select>`
    }
    if (column?.type === 'boolean') {
      return html`<select aria-label=${label} @change=${onInput}><option value=""></option><option value="true" ?selected=${value === 'true'}>${this.t('card.yes')}</option><option value="false" ?selected=${value === 'false'}>${this.t('card.no')}</option></select>`
    }
    const type = column?.type === 'integer' || column?.type === 'number' ? 'number' : column?.type === 'date' ? 'date' : 'text'
    return html`<span class="value"><input type=${type} step="any" aria-label=${label} .value=${value} @input=${onInput}>${column?.unit ? html`<i>${column.unit}</i>` : nothing}</span>`
  }

  private renderResult() {
    const { working, error, result } = this.app.filters
    if (working) return html`<p class="muted" role="status">${this.t('filter.working')}</p>`
    if (error) return html`<p class="warn" role="alert">${this.t('filter.failed', { why: error })}</p>`
    if (!result) return html`<p class="muted">${this.t('filter.hint')}</p>`
    if (!result.matched) return html`<p class="warn" role="status">${this.t('filter.nothing')}</p>`
    const { filter } = this.state
    return html`<div class="found" role="status"><b>${this.t('filter.matched', { n: this.n(result.matched) })}</b>
      ${result.shown < result.matched ? html`<small>${this.t('filter.some', { n: this.n(result.shown) })}</small>` : nothing}
      ${result.layer === 'buildings' ? html`<small><i class="swatch" style="--c:${UNKNOWN};--l:${UNKNOWN}"></i> ${this.t('filter.unknown')}</small>` : nothing}
      <div class="actions">
        ${result.bbox ? html`<button type="button" @click=${() => flyToBox(this.app, result.bbox!)}>${icons.fly}${this.t('filter.fly')}</button>` : nothing}
        ${filter ? html`<a href=${source().server!.pages.matches(filter.layer, filter.where)} target="_blank" rel="noopener">${icons.link}${this.t('filter.open')}</a>` : nothing}
      </div></div>`
  }

  private chooseLayer = (event: Event): void => {
    this.layerId = (event.target as HTMLSelectElement).value
    this.conditions = [this.blank()]
    this.requestUpdate()
  }

  private add = (): void => {
    this.conditions = [...this.conditions, this.blank()]
    this.requestUpdate()
  }

  private apply = (event: Event): void => {
    event.preventDefault()
    const where = filterOf(this.conditions, this.columns)
    this.app.store.update({ filter: where && { layer: this.layerId, where } })
  }
}
customElements.define('dothi-filter', FilterPanel)

/** Where the cursor is: WGS 84, the city's own CRS, the ground's level and the water on it. */
import { html, nothing } from 'lit'
import { Panel } from './panel.js'

class Readout extends Panel {
  protected override readonly watches = ['cursor', 'run'] as const

  override render() {
    const { cursor, projection, city } = this.app
    if (!cursor || !city) return nothing
    const [e, n] = projection?.forward([cursor.lon, cursor.lat]) ?? []
    const { depth } = cursor
    return html`<div class="readout" title=${city.city.verticalDatum}>
      <span>WGS 84 <b>${cursor.lat.toFixed(6)}, ${cursor.lon.toFixed(6)}</b></span>
      ${e !== undefined && n !== undefined ? html`<span>${projection!.name.replace(/ 107-45$/, ' 107°45′')} <b>X ${group(n)} · Y ${group(e)}</b></span>` : nothing}
      <span>${this.t('cursor.height')} <b>${this.n(cursor.height, 1, true)} m</b></span>
      ${depth === null ? nothing : html`<span>${this.t('cursor.depth')} <b>${depth < 0.01 ? this.t('cursor.dry') : `${this.n(depth, 2, true)} m`}</b></span>`}
    </div>`
  }
}

/** Metres with thin groups of three: `1 776 543.21` can be read aloud and pasted. */
const group = (metres: number) => metres.toFixed(2).replace(/\B(?=(\d{3})+(?=\.))/g, '\u202f')
customElements.define('dothi-readout', Readout)

/** The page's frame: search on top, rail on the left with one open panel, card on the right, time below. */
import { html, nothing, type TemplateResult } from 'lit'
import { source } from '../core/source.js'
import type { PanelId } from '../core/state.js'
import { dateTime, type MessageKey } from '../i18n/text.js'
import { icons } from './icons.js'
import { Panel } from './panel.js'
import './search.js'
import './layers.js'
import './card.js'
import './filter.js'
import './simulate.js'
import './time-bar.js'
import './import.js'
import './readout.js'

const RAIL: readonly { readonly id: Exclude<PanelId, null>; readonly icon: TemplateResult; readonly label: MessageKey; readonly needsServer?: true }[] = [
  { id: 'layers', icon: icons.layers, label: 'rail.layers' },
  { id: 'simulate', icon: icons.flood, label: 'rail.simulate', needsServer: true },
  { id: 'filter', icon: icons.filter, label: 'rail.filter', needsServer: true },
  { id: 'import', icon: icons.upload, label: 'rail.import', needsServer: true },
]

class Shell extends Panel {
  protected override readonly watches = ['panel', 'underground', 'city', 'scene', 'notice', 'busy', 'selection', 'run'] as const

  override render() {
    document.documentElement.lang = this.state.language
    const { city, failure, scene } = this.app
    if (failure) return this.renderFailure(failure)
    if (!city) return this.renderOpening()
    document.title = `${city.city.name} · dothi`
    document.getElementById('scene')?.setAttribute('aria-label', this.t('app.canvas'))
    const empty = !city.layers.some((layer) => layer.count) && !city.terrain
    return html`
      <header class="top">
        <div class="brand float"><span class="dot"></span><b>${city.city.name}</b>${city.city.sample ? html`<i>${this.t('app.sample')}</i>` : nothing}</div>
        <dothi-search class="float"></dothi-search>
        <button class="float language" @click=${this.switchLanguage} lang=${this.state.language === 'vi' ? 'en' : 'vi'}>${this.t('rail.language')}</button>
      </header>
      <nav class="rail float" aria-label="dothi">
        ${this.rail().map(({ id, icon, label }) => html`
          <button data-panel=${id} aria-pressed=${this.state.panel === id} @click=${() => this.toggle(id)}>${icon}<span>${this.t(label)}</span></button>`)}
        <button data-panel="underground" aria-pressed=${this.state.underground} @click=${() => this.app.store.update({ underground: !this.state.underground })}>
          ${icons.underground}<span>${this.t('rail.underground')}</span></button>
        <button data-panel="share" @click=${this.share}>${icons.share}<span>${this.t('rail.share')}</span></button>
      </nav>
      <footer class="about ${this.state.underground ? 'dark' : ''}">${this.renderPages()}</footer>
      <div class="zoom float">
        <button title=${this.t('rail.zoomIn')} aria-label=${this.t('rail.zoomIn')} @click=${() => this.zoom(0.6)}>${icons.plus}</button>
        <button title=${this.t('rail.zoomOut')} aria-label=${this.t('rail.zoomOut')} @click=${() => this.zoom(1.6)}>${icons.minus}</button>
        <button title=${this.t('rail.north')} aria-label=${this.t('rail.north')} @click=${this.faceNorth}>${icons.north}</button>
      </div>
      ${this.renderPanel()}
      ${this.state.selection ? html`<dothi-card class="card float"></dothi-card>` : nothing}
      ${this.state.underground ? this.renderUnderground() : nothing}
      <dothi-time-bar></dothi-time-bar>
      <dothi-readout></dothi-readout>
      ${source().server ? html`<dothi-drop></dothi-drop>` : nothing}
      ${empty ? html`<div class="notice float" role="status"><b>${this.t('app.empty')}</b> ${this.t('app.emptyWhat')}</div>` : nothing}
      ${this.app.notice ? html`<div class="notice float" role="status">${this.app.notice}</div>` : nothing}
      <div class="busy ${this.app.busy > 0 || !scene ? 'on' : ''}" aria-hidden="true"></div>`
  }

  /** What takes a server is not offered without one. */
  private rail() {
    return RAIL.filter(({ needsServer }) => !needsServer || source().server)
  }

  private renderPages() {
    const { server, made } = source()
    if (made) return html`<span>${this.t('app.static', { date: dateTime(this.state.language, new Date(made), this.app.city!.city.timeZone) })}</span>`
    const pages = server?.pages
    return pages ? html`<a href=${pages.docs(this.state.language)}>${this.t('rail.docs')}</a><a href=${pages.api}>${this.t('rail.api')}</a>` : nothing
  }

  private renderOpening() {
    const { preparing } = this.app
    return html`<div class="state" role="status"><div class="mark"></div><h1>dothi</h1>
      <p>${this.t(preparing ? 'app.loadingSlow' : 'app.loading')}</p>
      ${preparing ? html`<progress max="1" .value=${preparing.progress}></progress><small>${preparing.message}</small>` : nothing}</div>`
  }

  private renderPanel() {
    const { panel } = this.state
    if (!panel || !this.rail().some(({ id }) => id === panel)) return nothing
    const body = {
      layers: () => html`<dothi-layers></dothi-layers>`,
      simulate: () => html`<dothi-simulate></dothi-simulate>`,
      filter: () => html`<dothi-filter></dothi-filter>`,
      import: () => html`<dothi-import></dothi-import>`,
    }[panel]
    return html`<section class="panel float" aria-label=${this.t(`rail.${panel}`)}>
      <button class="icon close" aria-label=${this.t('rail.close')} title=${this.t('rail.close')} @click=${() => this.app.store.update({ panel: null })}>${icons.close}</button>
      ${body()}</section>`
  }

  private renderUnderground() {
    const hidden = !this.app.city!.layers.some((layer) => layer.threeD?.form === 'tube')
    return html`<div class="hint float"><b>${this.t('underground.title')}</b> ${this.t(hidden ? 'underground.restricted' : 'underground.hint')}</div>`
  }

  private renderFailure({ kind, why }: { kind: 'server' | 'webgl'; why: string }) {
    return html`<div class="state" role="alert"><div class="mark"></div>
      <h1>${this.t(kind === 'webgl' ? 'app.noWebgl' : 'app.failed')}</h1>
      <p>${kind === 'webgl' ? this.t('app.noWebglWhat') : why || this.t('app.failedWhat')}</p>
      ${kind === 'webgl' ? source().server && html`<a class="primary" href=${source().server!.pages.api}>${this.t('app.openOgc')}</a>` : html`<button class="primary" @click=${() => location.reload()}>${this.t('app.retry')}</button>`}
    </div>`
  }

  private toggle(id: Exclude<PanelId, null>): void { this.app.store.update({ panel: this.state.panel === id ? null : id }) }

  private switchLanguage(): void { this.app.store.update({ language: this.state.language === 'vi' ? 'en' : 'vi' }) }

  private zoom(factor: number): void {
    const camera = this.app.scene?.camera()
    if (camera) this.app.scene!.flyTo(camera.lon, camera.lat, { distance: camera.distance * factor }, 350)
  }

  private faceNorth(): void {
    const camera = this.app.scene?.camera()
    if (camera) this.app.scene!.flyTo(camera.lon, camera.lat, { heading: 0 }, 600)
  }

  private async share(): Promise<void> {
    try {
      await navigator.clipboard.writeText(location.href)
      this.app.say(this.t('rail.copied'))
    } catch {
      this.app.say(this.t('rail.copyFailed'))
    }
  }
}
customElements.define('dothi-app', Shell)

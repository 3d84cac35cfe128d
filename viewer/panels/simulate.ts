/** Flood scenarios: start one, follow it, and read who is affected, in a table and a chart. */
import { html, nothing } from 'lit'
import { DEPTH_STEPS, DEPTH_CLASSES } from '../../layers/depth.js'
import { mayEdit, type ScenarioInfo } from '../core/api.js'
import { source } from '../core/source.js'
import { CHANGED, REMOVED, UNKNOWN } from '../core/building-style.js'
import { elapsed, type MessageKey } from '../i18n/text.js'
import { Panel } from './panel.js'
import './impact-chart.js'

class Simulate extends Panel {
  protected override readonly watches = ['run', 'city', 'compare'] as const

  override render() {
    const city = this.app.city!
    return html`<h2>${this.t('simulate.title')}</h2>
      <div class="scroll">
        <p class="muted">${this.t('simulate.lead')}</p>
        ${city.scenarios.length ? city.scenarios.map((scenario) => this.renderScenario(scenario)) : html`<p class="muted">${this.t('simulate.none')}</p>`}
        ${city.scenarios.length && !mayEdit(city) ? html`<p class="muted small">${this.t('simulate.mayNot')}</p>` : nothing}
        ${this.renderRun()}
      </div>`
  }

  private renderScenario(scenario: ScenarioInfo) {
    const { runs, city } = this.app
    const latest = typeof scenario.latestRun === 'string' ? scenario.latestRun : scenario.latestRun?.id
    const { job } = runs
    const working = job?.status === 'accepted' || job?.status === 'running'
    const onScreen = latest !== undefined && runs.manifest?.scenario === scenario.id
    return html`<div class="scenario">
      <b>${this.l(scenario.title)}</b>
      ${latest ? nothing : html`<p class="muted small">${this.t('simulate.noRun')}</p>`}
      <div class="actions">
        ${latest ? html`<button @click=${() => this.app.store.update(onScreen ? { run: null, playing: false } : { run: latest, time: 0, playing: true })}>${this.t(onScreen ? 'simulate.hide' : 'simulate.show')}</button>` : nothing}
        ${mayEdit(city!) && !working ? html`<button class="primary" data-action="run" @click=${() => void runs.start(scenario.id)}>${this.t(latest ? 'simulate.again' : 'simulate.start')}</button>` : nothing}
        <button data-action="compare" aria-pressed=${this.state.compare === scenario.id} @click=${() => this.app.store.update({ compare: this.state.compare === scenario.id ? null : scenario.id })}>${this.t('compare.show')}</button>
      </div>
      ${this.state.compare === scenario.id ? this.renderDifference() : nothing}
      ${this.renderJob()}
    </div>`
  }

  private renderDifference() {
    return html`<p class="small">${[[CHANGED, 'compare.changed'], [REMOVED, 'compare.removed']].map(([colour, key]) => html`<i class="swatch" style="--c:${colour};--l:${colour}"></i> ${this.t(key as MessageKey)} `)}<br>
      <span class="muted">${this.t('compare.hint')}</span></p>`
  }

  private renderJob() {
    const { job } = this.app.runs
    if (!job) return nothing
    const percent = Math.round(job.progress ?? 0)
    switch (job.status) {
      case 'accepted': case 'running': return html`<div class="job" role="status">
        <p>${job.status === 'accepted' ? this.t('simulate.waiting') : this.t('simulate.running', { p: percent })}<small>${job.message ?? ''}</small></p>
        <progress max="100" .value=${percent}></progress>
        <button @click=${() => void this.app.runs.cancel()}>${this.t('simulate.cancel')}</button></div>`
      case 'failed': return html`<p class="warn" role="alert">${this.t('simulate.failed', { why: job.message ?? '' })}</p>`
      case 'dismissed': return html`<p class="muted" role="status">${this.t('simulate.dismissed')}</p>`
      case 'successful': return nothing
    }
  }

  private renderRun() {
    const { runs } = this.app
    if (runs.loading) return html`<p class="muted" role="status">${this.t('simulate.loading')}</p>`
    if (runs.failed) return html`<p class="warn">${this.t('simulate.unavailable')}</p>`
    const { manifest } = runs
    if (!manifest) return nothing
    const { rows, cols, cell } = manifest.grid
    return html`
      <p class="label-simulation">${this.l(manifest.label)}</p>
      <dl>
        <dt>${this.t('simulate.duration')}</dt><dd>${elapsed(this.state.language, manifest.duration)}</dd>
        <dt>${this.t('simulate.grid')}</dt><dd>${this.t('simulate.gridValue', { rows: this.n(rows), cols: this.n(cols), cell: this.n(cell) })}</dd>
        ${manifest.massError === null ? nothing : html`<dt title=${this.t('simulate.massHelp')}>${this.t('simulate.massError')}</dt><dd>${manifest.massError < 1e-5 ? `< ${this.n(0.001, 3)}` : this.n(manifest.massError * 100, 3)}<small> %</small></dd>`}
      </dl>
      ${this.renderImpacts()}`
  }

  private renderImpacts() {
    const { impacts, manifest, colourBuildings } = this.app.runs
    if (!impacts) return html`<p class="muted">${this.t('impact.pending')}</p>`
    const flooded = impacts.buildings.flooded
    const classes = DEPTH_STEPS.map(([, name, colour]) => ({ name, colour, ...(impacts.byDepthClass[name] ?? { buildings: 0, people: 0 }) }))
    return html`<h3>${this.t('impact.title')}</h3>
      <div class="figures">
        <div><b>${this.n(flooded)}</b><span>${this.t('impact.buildings')}</span></div>
        <div><b>${this.n(impacts.people.inFloodedBuildings)}</b><span>${this.t('impact.people')}</span></div>
        <div><b>${this.n(impacts.roads.impassableKm, 1)}<small> km</small></b><span>${this.t('impact.roads')}</span></div>
        <div><b>${this.n(impacts.facilitiesHit)}</b><span>${this.t('impact.facilities')}</span></div>
      </div>
      <label class="switch"><input type="checkbox" role="switch" .checked=${colourBuildings} @change=${() => { this.app.runs.colourBuildings = !colourBuildings }}>${this.t('impact.colour')}</label>
      ${colourBuildings ? html`<p class="small muted"><i class="swatch" style="--c:${UNKNOWN};--l:${UNKNOWN}"></i> ${this.t('legend.notComputed')}</p>` : nothing}
      ${flooded ? html`
        <table><caption>${this.t('impact.byDepth')}</caption>
          <thead><tr><th>${this.t('impact.depth')}</th><th>${this.l(this.app.layer('buildings')?.title)}</th><th>${this.t('impact.peopleCount')}</th></tr></thead>
          <tbody>${classes.map(({ name, colour, buildings, people }) => html`<tr><td><i class="swatch" style="--c:${colour};--l:${colour}"></i>${this.l(DEPTH_CLASSES[name])}</td><td>${this.n(buildings)}</td><td>${this.n(people)}</td></tr>`)}</tbody></table>
        <h3>${this.t('impact.byUse')}</h3>
        <dothi-impact-chart></dothi-impact-chart>` : html`<p class="muted">${this.t('impact.none')}</p>`}
      <a class="quiet" target="_blank" rel="noopener" href=${source().server!.pages.runBuildings(manifest!)}>${this.t('impact.list')}</a>`
  }
}
customElements.define('dothi-simulate', Simulate)

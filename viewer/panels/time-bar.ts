/** The run's time: play, speed, scrub; with the depth legend and the label that no picture of a run goes without. */
import { html, nothing } from 'lit'
import { DEPTH_STEPS } from '../../layers/depth.js'
import type { MessageKey } from '../i18n/text.js'
import { dateTime, elapsed } from '../i18n/text.js'
import { icons } from './icons.js'
import { Panel } from './panel.js'

const SPEEDS = [300, 900, 1800, 3600] as const

class TimeBar extends Panel {
  protected override readonly watches = ['time', 'playing', 'speed', 'run'] as const

  override render() {
    const { manifest, loading } = this.app.runs
    if (!manifest) return loading ? html`<div class="time float" role="status">${this.t('simulate.loading')}</div>` : nothing
    const { time, playing, speed } = this.state
    const computed = manifest.times.at(-1) ?? 0
    const share = (t: number) => `${(100 * t) / Math.max(1, manifest.duration)}%`
    const at = new Date(Date.parse(manifest.start) + time * 1000)
    return html`
      <b class="stamp label-simulation" aria-hidden="true">${this.l(manifest.label)}</b>
      <div class="time float">
        <div class="depths" role="img" aria-label=${this.t('legend.depth')}>
          <b>${this.t('legend.depth')}</b>
          <ol>${DEPTH_STEPS.map(([from, name, colour], i) => html`<li><i style="background:${colour}"></i><span>${this.n(from, 1, true)}${i === DEPTH_STEPS.length - 1 ? '+' : ''}<small> m</small></span><em>${this.t(`legend.${name}` as MessageKey)}</em></li>`)}
            <li><i class="hatched"></i><em>${this.t('legend.notComputed')}</em></li></ol>
        </div>
        <button class="play" aria-label=${this.t(playing ? 'time.pause' : 'time.play')} title=${this.t(playing ? 'time.pause' : 'time.play')} @click=${() => this.app.store.update({ playing: !playing })}>${playing ? icons.pause : icons.play}</button>
        <div class="track">
          <div class="words">
            <span class="what"><b class="label-simulation">${this.l(manifest.label)}</b><span class="scenario-title" title=${this.l(manifest.title)}>${this.l(manifest.title)}</span></span>
            <span class="clock">${elapsed(this.state.language, time)}<small>${dateTime(this.state.language, at, this.app.city!.city.timeZone)}</small></span>
          </div>
          <div class="scrub" style="--computed:${share(computed)};--at:${share(time)}">
            <input type="range" min="0" max=${manifest.duration} step="60" aria-label=${this.t('time.scrub')} aria-valuetext=${elapsed(this.state.language, time)}
              .value=${String(time)} @input=${(e: Event) => this.app.store.update({ time: Math.min(computed, Number((e.target as HTMLInputElement).value)), playing: false })}>
          </div>
          <div class="ticks" aria-hidden="true">${hours(manifest.duration).map((h) => html`<i style="left:${share(h * 3600)}">${h} h</i>`)}</div>
        </div>
        <label class="speed">${this.t('time.speed')}
          <select @change=${(e: Event) => this.app.store.update({ speed: Number((e.target as HTMLSelectElement).value) })}>
            ${SPEEDS.map((s) => html`<option value=${s} ?selected=${s === speed}>×${this.n(s)}</option>`)}</select>
          <small role="status">${this.app.runs.buffering ? this.t('time.buffering') : manifest.complete ? '' : this.t('time.computing')}</small></label>
        <button class="icon" aria-label=${this.t('time.close')} title=${this.t('time.close')} @click=${() => this.app.store.update({ run: null, playing: false })}>${icons.close}</button>
      </div>`
  }
}

/** Whole hours worth a mark: at most seven of them. */
function hours(duration: number): number[] {
  const total = Math.floor(duration / 3600)
  const step = Math.max(1, Math.ceil(total / 6))
  return Array.from({ length: Math.floor(total / step) + 1 }, (_, i) => i * step)
}
customElements.define('dothi-time-bar', TimeBar)

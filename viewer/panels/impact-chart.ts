/** Flooded buildings by use, as bars: the chart library comes only when there is something to draw. */
import { html } from 'lit'
import { Panel } from './panel.js'

class ImpactChart extends Panel {
  protected override readonly watches = ['run'] as const
  private chart: { destroy(): void } | null = null
  private drawn: unknown = null

  override render() { return html`<div class="chart" role="img" aria-label=${this.t('impact.byUse')}></div>` }

  override updated(): void { void this.draw() }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.chart?.destroy()
    this.chart = null
    this.drawn = null
  }

  private async draw(): Promise<void> {
    const { impacts } = this.app.runs
    const key = `${this.app.runs.manifest?.id}/${this.state.language}`
    if (!impacts || this.drawn === key) return
    this.drawn = key
    const [{ default: Plot }] = await Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')])
    if (this.drawn !== key || !this.isConnected) return
    const codes = this.app.layer('run_buildings')?.columns.find(({ name }) => name === 'use')?.codes ?? this.app.layer('buildings')?.columns.find(({ name }) => name === 'use')?.codes
    const uses = Object.entries(impacts.byUse).sort((a, b) => b[1].buildings - a[1].buildings).slice(0, 7)
    const names = uses.map(([use]) => this.l(codes?.[use]) || use)
    const box = this.querySelector<HTMLElement>('.chart')!
    this.chart?.destroy()
    box.replaceChildren()
    const font = '11px "Be Vietnam Pro"'
    this.chart = new Plot({
      width: box.clientWidth || 300, height: 24 * uses.length + 34, legend: { show: false }, cursor: { show: false },
      padding: [4, 34, 0, 0],
      scales: { x: { time: false, ori: 1, dir: -1, range: [-0.6, uses.length - 0.4] }, y: { ori: 0, range: (_, __, max) => [0, max * 1.05] } },
      axes: [
        { side: 3, size: 118, font, stroke: '#1d2733', grid: { show: false }, ticks: { show: false }, splits: uses.map((_, i) => i), values: (_, splits) => splits.map((i) => short(names[i] ?? '')), gap: 6 },
        { side: 2, size: 26, font, stroke: '#5b6672', grid: { stroke: '#e2ddd2', width: 1 }, ticks: { show: false }, values: (_, splits) => splits.map((v) => (Number.isInteger(v) ? this.n(v) : '')) },
      ],
      series: [{}, { fill: '#2069ad', stroke: '#2069ad', width: 0, points: { show: false }, paths: Plot.paths.bars!({ size: [0.62, 18] }) }],
    }, [uses.map((_, i) => i), uses.map(([, count]) => count.buildings)], box)
  }
}

const short = (name: string) => (name.length > 18 ? `${name.slice(0, 17)}…` : name)
customElements.define('dothi-impact-chart', ImpactChart)

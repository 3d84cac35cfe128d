/** What every panel shares: the app, its words, and being drawn again when what it shows has changed. */
import { LitElement } from 'lit'
import type { App, Topic } from '../core/app.js'
import type { AppState } from '../core/state.js'

let provided: App

/** Called once by main.ts before the first panel is made. */
export function provideApp(app: App): void { provided = app }

export abstract class Panel extends LitElement {
  /** State keys and topics that this panel shows. */
  protected readonly watches: readonly (keyof AppState | Topic)[] = []
  private stops: (() => void)[] = []

  protected get app(): App { return provided }
  protected get state(): AppState { return provided.store.state }
  protected get t(): App['t'] { return provided.t }
  protected get l(): App['l'] { return provided.l }
  protected get n(): App['n'] { return provided.n }

  /** One style sheet for the whole page: panels live in the light. */
  protected override createRenderRoot(): HTMLElement { return this }

  override connectedCallback(): void {
    super.connectedCallback()
    const keys = new Set<string>([...this.watches, 'language'])
    this.stops.push(provided.store.subscribe((_, changed) => {
      for (const key of changed) if (keys.has(key)) { this.requestUpdate(); this.changed(changed); return }
    }))
    for (const topic of this.watches) this.stops.push(provided.on(topic as Topic, () => this.requestUpdate()))
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    for (const stop of this.stops.splice(0)) stop()
  }

  protected changed(_keys: ReadonlySet<keyof AppState>): void { /* for panels that load when the state moves */ }
}

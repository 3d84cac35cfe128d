/** The outline of what is selected on the ground: a crisp line that lies a hand above it. */
import { Group, type Vector2 } from 'three'
import { LineMaterial } from 'three/addons/lines/LineMaterial.js'
import { LineSegments2 } from 'three/addons/lines/LineSegments2.js'
import { LineSegmentsGeometry } from 'three/addons/lines/LineSegmentsGeometry.js'

export interface Outline {
  readonly group: Group
  /** Parts as local xyz. */
  show(parts: readonly (readonly (readonly [number, number, number])[])[]): void
  hide(): void
  resize(size: Vector2): void
}

export function createOutline(colour: string, width: number): Outline {
  const group = new Group()
  const material = new LineMaterial({ color: colour, linewidth: width, depthTest: false, transparent: true, opacity: 0.95 })
  let line: LineSegments2 | null = null
  const hide = () => {
    if (!line) return
    group.remove(line)
    line.geometry.dispose()
    line = null
  }
  return {
    group,
    hide,
    show(parts) {
      hide()
      const positions: number[] = []
      for (const part of parts) for (let i = 1; i < part.length; i++) positions.push(...part[i - 1]!, ...part[i]!)
      if (!positions.length) return
      const geometry = new LineSegmentsGeometry()
      geometry.setPositions(positions)
      line = new LineSegments2(geometry, material)
      line.renderOrder = 30
      line.frustumCulled = false
      group.add(line)
    },
    resize(size) { material.resolution.copy(size) },
  }
}

